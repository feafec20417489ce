"""What tests of the Stripe stand-in do again and again, through Stripe's own SDK."""

from functools import cache
from typing import Any

import stripe

from tests.compose.sandboxes.stripe_standin import SECRET_KEY, StripeStandin

RETURN_URL = "https://marketplace.example/back"
REFRESH_URL = "https://marketplace.example/again"
NO_REDIRECTS = {"enabled": True, "allow_redirects": "never"}


def sdk(standin: StripeStandin, key: str = SECRET_KEY, *, max_network_retries: int = 0) -> Any:
    """The SDK's client; untyped, because tests send what its types forbid."""
    return _sdk(standin.url, key, max_network_retries)


@cache
def _sdk(url: str, key: str, max_network_retries: int) -> Any:
    return stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=max_network_retries).v1


def pay(api: Any, card: str = "pm_card_visa", amount: int = 15_000, **more: Any) -> Any:
    """A payment made and confirmed in one call."""
    wanted = {"amount": amount, "currency": "usd", "confirm": True, "payment_method": card}
    return api.payment_intents.create(wanted | {"automatic_payment_methods": NO_REDIRECTS} | more)


def seller(api: Any, standin: StripeStandin, outcome: str = "complete") -> Any:
    """An Express account whose owner has filled in the form."""
    made = api.accounts.create({"type": "express", "country": "US"})
    answer = standin.http.post(link(api, made.id), data={"outcome": outcome})
    assert answer.headers["location"] == RETURN_URL
    return api.accounts.retrieve(made.id)


def link(api: Any, account_id: str) -> Any:
    """The address of the form for a seller."""
    wanted = {"account": account_id, "type": "account_onboarding", "return_url": RETURN_URL, "refresh_url": REFRESH_URL}
    return api.account_links.create(wanted).url


def events(api: Any, **wanted: Any) -> list[str]:
    """Types of the platform's events, oldest first."""
    return [one.type for one in api.events.list({"limit": 100, **wanted}).data][::-1]
