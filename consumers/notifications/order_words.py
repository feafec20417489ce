"""What is written to buyer and seller about an order: (event, side) -> words. No clock, no I/O."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from schemas import payments as told
from schemas.money import print_minor

Side = Literal["buyer", "seller"]
SIDES: tuple[Side, ...] = ("buyer", "seller")

OCCASIONS = (
    "OrderCreated",
    "SecondChanceOffered",
    "OfferAccepted",
    "OfferLapsed",
    "PaymentReminded",
    "PaymentDeclined",
    "PaymentActionRequired",
    "OrderPaid",
    "OrderUnpaid",
    "StrikeLifted",
    "OrderCancelled",
    "OrderShipped",
    "OrderDelivered",
    "OrderRefunded",
    "DisputeOpened",
    "DisputeClosed",
    "PayoutHeld",
    "PayoutSent",
)
"""Events that somebody is written about."""


@dataclass(frozen=True, slots=True)
class Words:
    """A subject and the sentences below the greeting; `{title}` stands for the thing's title, which its seller wrote."""

    subject: str
    sentences: tuple[str, ...]


def words(event: BaseModel, side: Side) -> Words | None:
    """What that side of the order is written; None where it is not written to."""
    match event, side:
        case ((told.OrderCreated() | told.SecondChanceOffered()), _):
            return _opened(event, side)
        case ((told.OfferAccepted() | told.OfferLapsed()), "seller"):
            return _answered(event)
        case told.PaymentReminded(), "buyer":
            return _reminder(event)
        case ((told.PaymentDeclined() | told.PaymentActionRequired()), "buyer") if event.off_session:
            return _not_charged(event)
        case told.OrderPaid(), _:
            return _paid(event, side)
        case told.OrderUnpaid(), _:
            return _unpaid(side)
        case told.StrikeLifted(), "buyer":
            return Words("Forgiven: {title}", ("It is not held against you any more that {title} was not paid.",))
        case told.OrderCancelled(), _:
            return Words("Called off: {title}", (f"The order for {{title}} was called off: {event.reason}",))
        case told.OrderShipped(), "buyer":
            by = f" with {event.carrier}" if event.carrier else ""
            return Words(
                "On its way: {title}",
                (f"{{title}} is on its way to you{by}.", "When it has arrived, please confirm it under Orders."),
            )
        case told.OrderDelivered(), "seller":
            return Words("Arrived: {title}", ("{title} has arrived. Your payout is on its way.",))
        case told.OrderRefunded(), _:
            return _refunded(event, side)
        case ((told.DisputeOpened() | told.DisputeClosed()), _):
            return _disputed(event, side)
        case ((told.PayoutHeld() | told.PayoutSent()), "seller"):
            return _paid_out(event)
        case _:
            return None


def _opened(event: told.OrderCreated | told.SecondChanceOffered, side: Side) -> Words | None:
    total, price = _amount(event.amount, event.currency), _amount(event.hammer_price, event.currency)
    match event, side:
        case told.SecondChanceOffered(), "buyer":
            return Words(
                "A second chance: {title}",
                (
                    f"You may have {{title}} after all, at your highest bid of {price} ({total} in all).",
                    f"The offer stands until {_time(event.expires_at)}.",
                ),
            )
        case told.OrderCreated(), "buyer":
            until = f" Please pay until {_time(event.pay_by)}." if event.pay_by else ""
            return Words("You won: {title}", (f"You won {{title}} for {price}; {total} in all.{until}",))
        case told.OrderCreated(), "seller":
            return Words(
                "Sold: {title}",
                (f"{{title}} sold for {price}.", "We write to you again when it is paid: ship it then."),
            )
        case _:
            return None


def _answered(event: told.OfferAccepted | told.OfferLapsed) -> Words:
    if isinstance(event, told.OfferAccepted):
        return Words("Offer accepted: {title}", ("Your second-chance offer for {title} was accepted.",))
    how = "was declined" if event.declined else "ran out"
    return Words(
        "Offer over: {title}",
        (f"Your second-chance offer for {{title}} {how}.", "You may offer it again as an auction."),
    )


def _reminder(event: told.PaymentReminded) -> Words:
    return Words(
        "Please pay: {title}",
        (
            f"{_amount(event.amount, event.currency)} for {{title}} is not paid yet. Please pay until {_time(event.pay_by)}.",
            "An item that is not paid is held against your account.",
        ),
    )


def _not_charged(event: told.PaymentDeclined | told.PaymentActionRequired) -> Words:
    if isinstance(event, told.PaymentDeclined):
        return Words("Your card was declined: {title}", (event.message, "Please pay for {title} in another way."))
    return Words(
        "Your bank asks you: {title}",
        ("Your bank wants you to confirm the payment for {title}.", "Please open the order and pay."),
    )


def _paid(event: told.OrderPaid, side: Side) -> Words:
    total = _amount(event.amount, event.currency)
    if side == "buyer":
        return Words("Paid: {title}", (f"Thank you: {total} for {{title}} is paid.", "The invoice is in the order."))
    return Words(
        "Please ship: {title}", (f"{{title}} is paid ({total}).", "The address is in the order. Please ship it.")
    )


def _unpaid(side: Side) -> Words:
    if side == "buyer":
        return Words(
            "Not paid: {title}",
            (
                "{title} was not paid in time.",
                "This counts as an unpaid item: sellers may refuse your bids for a year.",
            ),
        )
    return Words(
        "Not paid: {title}",
        ("{title} was not paid in time.", "You may offer it to the next bidder, or as an auction again."),
    )


def _refunded(event: told.OrderRefunded, side: Side) -> Words:
    amount = _amount(event.amount, event.currency)
    if side == "buyer":
        return Words("Refunded: {title}", (f"{amount} for {{title}} goes back to the card it came from.",))
    return Words("Refunded: {title}", (f"{amount} for {{title}} was given back to the buyer.",))


def _disputed(event: told.DisputeOpened | told.DisputeClosed, side: Side) -> Words | None:
    if isinstance(event, told.DisputeOpened):
        if side == "buyer":
            return None
        until = f" Please answer until {_time(event.respond_by)}." if event.respond_by else ""
        who = "The buyer says" if event.kind == "case" else "The buyer's bank says"
        return Words(
            "Something is wrong: {title}", (f"{who} that something is wrong with {{title}}.{until} The payout waits.",)
        )
    for_whom = "seller" if event.won else "buyer"
    return Words("Settled: {title}", (f"The dispute about {{title}} is settled in favour of the {for_whom}.",))


def _paid_out(event: told.PayoutHeld | told.PayoutSent) -> Words:
    amount = _amount(event.amount, event.currency)
    if isinstance(event, told.PayoutSent):
        return Words("Paid out: {title}", (f"{amount} for {{title}} is on your account at Stripe.",))
    return Words(
        "Your payout waits: {title}",
        (f"{amount} for {{title}} waits for you.", "Please tell Stripe who you are: under Payouts in your account."),
    )


def _amount(minor: int, currency: str) -> str:
    return f"{print_minor(minor)} {currency}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %B %Y, %H:%M} UTC"
