"""What an order is between two commands. Amounts in hundredths, times in ms since 1970."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from schemas import payments as said
from schemas.envelope import Wire
from schemas.payments import Status

DAY_MS: Final = 86_400_000


class Refund(msgspec.Struct, frozen=True):
    """Money on its way back to the buyer, or back with him."""

    id: UUID
    amount: int
    status: Literal["started", "done", "failed"]
    provider_id: str | None = None


class Dispute(msgspec.Struct, frozen=True):
    """The buyer (`case`) or his bank (`card`) contests the order."""

    id: str
    kind: Literal["case", "card"]
    amount: int
    status: Literal["open", "won", "lost"]


class Payout(msgspec.Struct, frozen=True):
    """Money for the seller; `reversed` came back, `reversing` is on its way back, `owing` did not come back."""

    id: UUID
    amount: int
    status: Literal["started", "sent", "failed"]
    recovered: int = 0
    transfer_id: str | None = None
    reversed: int = 0
    owing: int = 0


class Reversal(msgspec.Struct, frozen=True):
    """A payout, or some of it, being taken back."""

    id: UUID
    transfer_id: str
    amount: int
    status: Literal["started", "done", "failed"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order, whole."""

    id: UUID
    sequence: int
    auction_id: UUID
    offer_number: int
    buyer_id: UUID
    seller_id: UUID
    title: str
    currency: str
    hammer: int
    shipping: int
    tax: int
    amount: int
    commission: int
    proceeds: int
    terms: dict[str, Any]
    """The schedule as OrderCreated told it."""
    status: Status
    created_ms: int
    due_ms: int
    """Until when it is to be paid, or the offer taken."""
    reminders: int = 0

    payment: str = "none"
    """The provider's word for its intent; `none`, `creating` and `failed` are ours."""
    intent_id: str | None = None
    dropped: tuple[str, ...] = ()
    """Intents before the present one; what is still said of them counts no more."""
    declined_charge: str | None = None
    decline_code: str | None = None
    decline_message: str | None = None
    stopping: tuple[str, str] | None = None
    """Who ends the order and why, while its intent is being withdrawn."""
    charge_id: str | None = None
    captured: int = 0
    provider_fee: int | None = None
    paid_ms: int | None = None

    shipping_sealed: str | None = None
    carrier: str | None = None
    tracking_sealed: str | None = None
    shipped_ms: int | None = None
    delivered_ms: int | None = None
    completed_ms: int | None = None
    buyer_stars: int | None = None
    """What the buyer gave the seller."""
    seller_stars: int | None = None
    problem: str | None = None
    offered_on: bool = False
    """Whether the thing was offered to the next bidder."""
    strike_lifted: bool = False
    """Whether it is not held against the buyer any more that he did not pay."""

    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    before_dispute: Status | None = None
    payouts: tuple[Payout, ...] = ()
    reversals: tuple[Reversal, ...] = ()
    held: str | None = None
    """Why the payout waits."""
    retry_ms: int | None = None

    @property
    def payment_id(self) -> UUID:
        """Its payment."""
        return said.payment_id_of(self.id)

    @property
    def refunded(self) -> int:
        """What is back with the buyer."""
        return sum(one.amount for one in self.refunds if one.status == "done")

    @property
    def refunding(self) -> int:
        """What is on its way back."""
        return sum(one.amount for one in self.refunds if one.status == "started")

    @property
    def contested(self) -> int:
        """What the buyer's bank took back or holds."""
        return sum(one.amount for one in self.disputes if one.kind == "card" and one.status != "won")

    @property
    def refundable(self) -> int:
        """What may still be refunded: never above what was captured minus what went back already."""
        return max(0, self.captured - self.refunded - self.refunding - self.contested)

    @property
    def open_dispute(self) -> Dispute | None:
        """The dispute that is not over."""
        return next((one for one in self.disputes if one.status == "open"), None)


Kept = dict[str, str]
"""What an event keeps to itself, sealed: needed to fold the order again, told to nobody."""


class Told(msgspec.Struct, frozen=True):
    """An event as it is told, and what it keeps to itself."""

    event: Wire
    kept: Kept = {}


def instant(at_ms: int) -> datetime:
    """Milliseconds since 1970 as the time that messages carry."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


def ms(at: Any) -> int:
    """A time of a message in milliseconds since 1970."""
    return int(at.timestamp() * 1000 + 0.5)
