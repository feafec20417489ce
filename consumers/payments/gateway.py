"""Stripe: the one place that speaks to it, and what its answers mean for a job."""

import logging
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import stripe
import structlog

from consumers.payments import reading
from consumers.payments.asking import Declined, KeyReused, NotThere, Refused, WrongState, asked, effect, once, pages
from consumers.payments.bill import Bill, as_asked, marks, transfer_group
from consumers.payments.provider import (
    Account,
    Card,
    Charge,
    Customer,
    Dispute,
    Event,
    Intent,
    Link,
    Movement,
    Refund,
    Reversal,
    Setup,
    Transfer,
)
from consumers.payments.units import to_stripe

log = structlog.get_logger("stripe")

# The SDK tells of each call at INFO, and at DEBUG of what was sent and answered, client secrets among it.
logging.getLogger("stripe").setLevel(logging.WARNING)

SILENCE_S_MAX = 10.0
"""Without a byte for so long, Stripe has not answered."""
TRIED_WITHIN_S = 2 * 86_400
"""A job's first attempt is not longer ago."""
PAGE = 100

__all__ = ["Bill", "Declined", "KeyReused", "NotThere", "Refused", "Stripe", "WrongState", "transfer_group"]


class Stripe:
    """Speaks through the SDK. Every call with a `key` (the job's id) may be made again.

    All calls raise TryAgain when nothing happened or nobody knows, Refused (or NotThere, WrongState, KeyReused) when it never
    will. `again` says that a call with this key may have been made before: then its effect is looked for first, since Stripe
    forgets a key after 24 hours, and answers the 500 of the first attempt for as long as it remembers.
    """

    def __init__(
        self, *, secret_key: str, api_url: str, api_version: str, silence_s_max: float = SILENCE_S_MAX
    ) -> None:
        """Take the secret key, the API's address, and the version that answers are worded in."""
        self._http = stripe.HTTPXClient(timeout=silence_s_max)
        self._api = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_url.rstrip("/")},
            stripe_version=api_version,
            http_client=self._http,
            max_network_retries=0,
        ).v1

    async def close(self) -> None:
        """Close the connections; a call under way fails."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    # Buyers

    async def create_customer(self, *, user_id: UUID, key: UUID, again: bool = False) -> str:
        """Make the buyer known, by our id alone; returns the customer's id."""

        async def made_before() -> list[Customer]:
            wanted = {"created": {"gte": int(time.time()) - TRIED_WITHIN_S}, "limit": PAGE}
            return [reading.customer(one) async for one in pages(self._api.customers.list_async, wanted)]

        async def make(options: stripe.RequestOptions) -> Customer:
            made = await self._api.customers.create_async({"metadata": _person(user_id, key)}, options)
            return reading.customer(reading.plain(made))

        return (await once(make, made_before, key=key, again=again)).id

    async def forget_customer(self, customer_id: str) -> None:
        """Delete a customer and his kept cards, as often as one likes."""
        try:
            await asked(lambda: self._api.customers.delete_async(customer_id))
        except NotThere:
            log.info("customer was forgotten before", customer=customer_id)

    async def cards(self, customer_id: str) -> list[Card]:
        """A buyer's kept cards, newest first."""
        found = await asked(
            lambda: self._api.customers.payment_methods.list_async(customer_id, {"type": "card", "limit": PAGE})
        )
        return [reading.card(reading.plain(one)) for one in found.data]

    async def forget_card(self, card_id: str, *, key: UUID) -> None:
        """Take a kept card from its owner; it can never be charged again."""
        await effect(lambda options: self._api.payment_methods.detach_async(card_id, {}, options), key)

    async def create_setup(self, *, customer_id: str, user_id: UUID, key: UUID) -> Setup:
        """Begin to keep a card for charges while its owner is away."""
        made = await effect(
            lambda options: self._api.setup_intents.create_async(
                {
                    "customer": customer_id,
                    "usage": "off_session",
                    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                    "metadata": _person(user_id, key),
                },
                options,
            ),
            key,
        )
        return reading.setup(reading.plain(made))

    async def setup(self, setup_id: str) -> Setup:
        """A SetupIntent as it is now."""
        return reading.setup(reading.plain(await asked(lambda: self._api.setup_intents.retrieve_async(setup_id))))

    # Payments

    async def create_intent(self, bill: Bill, *, key: UUID, again: bool = False) -> Intent:
        """Ask for a payment (specification, Stripe Integration)."""
        return await self._intent_once(as_asked(bill, key), bill, key=key, again=again)

    async def charge_kept_card(self, bill: Bill, *, card_id: str, key: UUID, again: bool = False) -> Intent:
        """Charge a kept card while its owner is away; raises Declined (`authentication_required` when he must confirm)."""
        wanted = as_asked(bill, key) | {"payment_method": card_id, "off_session": True, "confirm": True}
        made = await self._intent_once(wanted, bill, key=key, again=again)
        if made.decline is not None and made.status == "requires_payment_method":
            raise Declined(made.decline, made)
        return made

    async def _intent_once(self, wanted: dict[str, Any], bill: Bill, *, key: UUID, again: bool) -> Intent:
        async def make(options: stripe.RequestOptions) -> Intent:
            made = await self._api.payment_intents.create_async(wanted, options)  # type: ignore[arg-type]
            return reading.intent(reading.plain(made))

        return await once(make, lambda: self.intents(bill.customer_id), key=key, again=again)

    async def intent(self, intent_id: str) -> Intent:
        """A PaymentIntent as it is now."""
        return reading.intent(reading.plain(await asked(lambda: self._api.payment_intents.retrieve_async(intent_id))))

    async def intents(self, customer_id: str) -> list[Intent]:
        """All PaymentIntents of a buyer, newest first."""
        wanted = {"customer": customer_id, "limit": PAGE}
        return [reading.intent(one) async for one in pages(self._api.payment_intents.list_async, wanted)]

    async def cancel_intent(self, intent_id: str, *, key: UUID) -> Intent:
        """Make sure that it cannot be paid any more; raises WrongState when it is paid or being paid."""
        try:
            ended = await effect(
                lambda options: self._api.payment_intents.cancel_async(
                    intent_id, {"cancellation_reason": "abandoned"}, options
                ),
                key,
            )
        except WrongState:
            now = await self.intent(intent_id)
            if now.status != "canceled":
                raise
            return now
        return reading.intent(reading.plain(ended))

    async def charge(self, charge_id: str) -> Charge:
        """A charge as it is now, with Stripe's fee."""
        found = await asked(lambda: self._api.charges.retrieve_async(charge_id, {"expand": ["balance_transaction"]}))
        return reading.charge(reading.plain(found))

    async def refund(
        self, *, intent_id: str, amount_minor: int, currency: str, order_id: UUID, key: UUID, again: bool = False
    ) -> Refund:
        """Give money back; Stripe refuses what is above captured minus refunded (`charge_already_refunded`, `amount`)."""

        async def make(options: stripe.RequestOptions) -> Refund:
            made = await self._api.refunds.create_async(
                {
                    "payment_intent": intent_id,
                    "amount": to_stripe(amount_minor, currency),
                    "reason": "requested_by_customer",
                    "metadata": marks(order_id, key),
                },
                options,
            )
            return reading.refund(reading.plain(made))

        return await once(make, lambda: self.refunds(intent_id), key=key, again=again)

    async def refunds(self, intent_id: str) -> list[Refund]:
        """All refunds of a payment, newest first."""
        return [
            reading.refund(one)
            async for one in pages(self._api.refunds.list_async, {"payment_intent": intent_id, "limit": PAGE})
        ]

    async def dispute(self, dispute_id: str) -> Dispute:
        """A dispute as it is now."""
        return reading.dispute(reading.plain(await asked(lambda: self._api.disputes.retrieve_async(dispute_id))))

    # Sellers

    async def create_account(self, *, user_id: UUID, country: str, key: UUID, again: bool = False) -> Account:
        """Open a seller's Express account, which may receive transfers once he has said who he is."""

        async def made_before() -> list[Account]:
            wanted = {"created": {"gte": int(time.time()) - TRIED_WITHIN_S}, "limit": PAGE}
            return [reading.account(one) async for one in pages(self._api.accounts.list_async, wanted)]

        async def make(options: stripe.RequestOptions) -> Account:
            made = await self._api.accounts.create_async(
                {
                    "type": "express",
                    "country": country,
                    "capabilities": {"transfers": {"requested": True}, "card_payments": {"requested": True}},
                    "metadata": _person(user_id, key),
                },
                options,
            )
            return reading.account(reading.plain(made))

        return await once(make, made_before, key=key, again=again)

    async def account(self, account_id: str) -> Account:
        """A seller's account as it is now."""
        return reading.account(reading.plain(await asked(lambda: self._api.accounts.retrieve_async(account_id))))

    async def onboarding_link(self, account_id: str, *, return_url: str, refresh_url: str) -> Link:
        """The page on which a seller says who he is; good once and for minutes, so made anew for each asking."""
        made = await asked(
            lambda: self._api.account_links.create_async(
                {
                    "account": account_id,
                    "type": "account_onboarding",
                    "return_url": return_url,
                    "refresh_url": refresh_url,
                }
            )
        )
        return Link(url=made.url, expires_at=made.expires_at)

    async def transfer(
        self,
        *,
        account_id: str,
        amount_minor: int,
        currency: str,
        source_charge_id: str | None,
        order_id: UUID,
        key: UUID,
        again: bool = False,
    ) -> Transfer:
        """Pay a seller: out of one charge, at most what it took, or out of what the platform has (None)."""

        async def make(options: stripe.RequestOptions) -> Transfer:
            wanted: Any = {
                "destination": account_id,
                "amount": to_stripe(amount_minor, currency),
                "currency": currency.lower(),
                "transfer_group": transfer_group(order_id),
                "metadata": marks(order_id, key),
            }
            if source_charge_id is not None:
                wanted["source_transaction"] = source_charge_id
            made = await self._api.transfers.create_async(wanted, options)
            return reading.transfer(reading.plain(made))

        return await once(make, lambda: self.transfers(order_id), key=key, again=again)

    async def transfers(self, order_id: UUID) -> list[Transfer]:
        """All transfers of an order, newest first."""
        group = transfer_group(order_id)
        return [
            reading.transfer(one)
            async for one in pages(self._api.transfers.list_async, {"transfer_group": group, "limit": PAGE})
        ]

    async def reverse(
        self, *, transfer_id: str, amount_minor: int, currency: str, order_id: UUID, key: UUID, again: bool = False
    ) -> Reversal:
        """Take money back from a seller; his account may go below zero."""

        async def make(options: stripe.RequestOptions) -> Reversal:
            made = await self._api.transfers.reversals.create_async(
                transfer_id,
                {"amount": to_stripe(amount_minor, currency), "metadata": marks(order_id, key)},
                options,
            )
            return reading.reversal(reading.plain(made))

        return await once(make, lambda: self.reversals(transfer_id), key=key, again=again)

    async def reversals(self, transfer_id: str) -> list[Reversal]:
        """All reversals of a transfer, newest first."""
        return [
            reading.reversal(one)
            async for one in pages(
                lambda page: self._api.transfers.reversals.list_async(transfer_id, page), {"limit": PAGE}
            )
        ]

    # What happened

    async def events(self, *, since: int) -> AsyncIterator[Event]:
        """Events of or after `since` (seconds since 1970), newest first, whether their webhook arrived or not."""
        wanted: dict[str, Any] = {"limit": PAGE, "created": {"gte": since}}
        async for one in pages(self._api.events.list_async, wanted):
            yield reading.event(one)

    async def movements(self, *, since: int, until: int) -> AsyncIterator[Movement]:
        """Rows of the platform's account with since <= created < until (seconds since 1970), newest first."""
        wanted: dict[str, Any] = {"limit": PAGE, "created": {"gte": since, "lt": until}}
        async for one in pages(self._api.balance_transactions.list_async, wanted):
            yield reading.movement(one)


def _person(user_id: UUID, key: UUID) -> dict[str, str]:
    return {"user_id": str(user_id), "job_id": str(key)}
