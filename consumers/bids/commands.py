"""What can be asked of an auction, and what is answered (RULES sections 5, 6, 8, 9, 12)."""

from typing import Any, Literal

import msgspec

from consumers.bids.offer import Config

PLATFORM = "@platform"  # `by` of the platform itself (X7, X8)


class Command(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Amounts are typed Any: whether one is an amount is judged (B17), not presumed by a decoder.

    `deadline` is in ms since the epoch (T4); `suspended` and `strikes` (won and not paid for, within a year) are the
    asker's standing, put there by the worker.
    """

    deadline: int | None = None
    suspended: bool = False
    strikes: int = 0


class OpenAuction(Command, frozen=True, tag="open"):
    """Starts an auction, or with `draft` prepares one that only its seller sees. `listing` is not read here."""

    config: Config
    listing: Any = None
    draft: bool = False


class UpdateAuction(Command, frozen=True, tag="update"):
    """Changes what is offered, before the first bid. What `config` leaves unset stays as it is."""

    by: str
    config: Config = Config()
    listing: Any = None


class PublishAuction(Command, frozen=True, tag="publish"):
    """Makes an auction of a draft. Times left unset are those of the draft; an absent start means now."""

    by: str
    start: Any = msgspec.UNSET
    end: Any = msgspec.UNSET


class PlaceBid(Command, frozen=True, tag="bid"):
    """A plain bid (amount), a proxy bid (maxAmount), or both; minor units. `limit` is B15's."""

    bidder: str
    amount: Any = None
    max_amount: Any = None
    currency: str | None = None
    confirmed: bool | None = None
    limit: int | None = None


class BuyNow(Command, frozen=True, tag="buy_now"):
    """Buys at the Buy It Now price (N3)."""

    bidder: str
    currency: str | None = None
    limit: int | None = None


class Retract(Command, frozen=True, tag="retract"):
    """Takes back the bidder's bids, as many as X2 allows."""

    bidder: str
    reason: str | None = None


class CloseAuction(Command, frozen=True, tag="close"):
    """Says that time may be up (C6)."""


class EndEarly(Command, frozen=True, tag="end_early"):
    """The seller ends before the end: sells to the high bidder, or cancels (X5)."""

    by: str
    mode: Any = None
    reason: str | None = None


class CancelAuction(Command, frozen=True, tag="cancel"):
    """The platform voids the auction, or the seller one without bids (X7); also discards a draft."""

    by: str
    reason: str | None = None


class LowerReserve(Command, frozen=True, tag="lower_reserve"):
    """A lower reserve in minor units; 0 removes it while no bid stands (R5)."""

    by: str
    reserve: Any = None


class BlockBidder(Command, frozen=True, tag="block_bidder"):
    """Shuts a bidder out, with `cancelBids` also his standing bids (X8)."""

    by: str
    bidder: str
    cancel_bids: bool | None = None


class UnknownCommand(Command, frozen=True, tag="unknown"):
    """A command of a type that no auction knows."""


AuctionCommand = (
    OpenAuction
    | UpdateAuction
    | PublishAuction
    | PlaceBid
    | BuyNow
    | Retract
    | CloseAuction
    | EndEarly
    | CancelAuction
    | LowerReserve
    | BlockBidder
    | UnknownCommand
)


def asker(command: AuctionCommand) -> str | None:
    """Who asks: `by`, or else `bidder` (K2); None where nobody is named."""
    match command:
        case PlaceBid() | BuyNow() | Retract():
            return command.bidder
        case OpenAuction() | CloseAuction() | UnknownCommand():
            return None
        case _:
            return command.by


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the asker is told (K1): `price` after an accepted bid or purchase, `minimum` with a bid too low."""

    outcome: Literal["accepted", "refused", "no_op"]
    code: str
    price: int | None = None
    minimum: int | None = None


class Remembered(msgspec.Struct, frozen=True, gc=False):
    """That this asker used this key before: whether the body was the same, and what he was told (K2, K3)."""

    same_body: bool
    answer: Answer
