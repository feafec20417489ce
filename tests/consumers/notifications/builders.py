"""A good example of everything that notifications reads and writes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from consumers.notifications.compose import Mail, Occasion, compose
from consumers.runtime import Actor
from schemas.notifications import RecordDelivery
from schemas.users import EmailVerificationRequested, PasswordResetRequested

ANNA = UUID("aaaaaaaa-0000-4000-8000-000000000001")
LETTER = UUID("11111111-0000-4000-8000-000000000001")
TOKEN = f"{ANNA}.k3Yq-9_Zt"
MIDNIGHT = datetime(2030, 5, 1, tzinfo=UTC)
SHOP = "https://shop.example/"
PLATFORM = Actor("platform", ("system",))


def mail(occasion: Occasion = "email-verification", **changes: Any) -> Mail:
    """A composed mail to Anna."""
    facts: dict[str, Any] = {
        "to": "anna@example.org",
        "username": "anna",
        "token": TOKEN,
        "expires_at": MIDNIGHT,
        "public_url": SHOP,
    }
    return compose(occasion, **(facts | changes))


def verification_requested(**changes: Any) -> EmailVerificationRequested:
    """Anna must prove her address."""
    return EmailVerificationRequested(**(_token_facts() | changes))


def reset_requested(**changes: Any) -> PasswordResetRequested:
    """Anna forgot her password."""
    return PasswordResetRequested(**(_token_facts() | changes))


def _token_facts() -> dict[str, Any]:
    return {
        "user_id": ANNA,
        "username": "anna",
        "sealed_email": "v1.user.e.e",
        "sealed_token": "v1.user.t.t",
        "expires_at": MIDNIGHT,
    }


def sent(**changes: Any) -> RecordDelivery:
    """The provider took Anna's letter."""
    facts: dict[str, Any] = {
        "user_id": ANNA,
        "notification_id": LETTER,
        "channel": "email",
        "kind": "email-verification",
        "outcome": "sent",
        "provider_id": "sg-1",
    }
    return RecordDelivery(**(facts | changes))


def failed(**changes: Any) -> RecordDelivery:
    """Anna's letter was given up."""
    return sent(**({"outcome": "failed", "provider_id": None, "reason": "SendGrid answered 400"} | changes))
