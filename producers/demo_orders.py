"""The demo's second half: the winner pays by the calls a phone would make, the seller ships and is paid out, the books are shown."""

from uuid import UUID

from rich.console import Console
from rich.table import Table

from compose.settings import Settings
from consumers.payments.comparing import balances
from consumers.payments.verify import verify
from producers import paying
from producers.person import Person, Refused

console = Console(highlight=False, soft_wrap=True)
say = console.print

DECLINED_CARD = "pm_card_chargeDeclinedInsufficientFunds"
HIDDEN = frozenset(
    {"terms", "currency", "payoutId", "refundId", "offerNumber", "number", "raterId", "ratedId", "payBy"}
)


class OrderFailed(Exception):
    """Something did not happen that the demo promises; the text says what."""


async def from_hammer_to_payout(settings: Settings, seller: Person, winner: Person, auction: str) -> list[str]:
    """Pay (a decline first), ship, receive, be paid out, rate; returns differences between our books."""
    order = await paying.order_of(winner, auction)
    say(
        f"\n[bold]10. The winner pays[/]: order {order['id'][:8]}, {_amount(order, 'total')} until {order['payBy'][:16]}"
    )
    await _pay(settings, winner, order)
    await _ship_and_receive(seller, winner, order)
    await _pay_out(settings, seller, order)
    await _rate(seller, winner, order)
    await _history(seller, order)
    return await _books(settings, order)


async def _pay(settings: Settings, winner: Person, order: dict[str, object]) -> None:
    try:
        await paying.begin_to_pay(winner, order, amount=0.01)
    except Refused as refusal:
        say(f"   {winner.username} offers one cent and is refused: {refusal.code}")
    begun = await paying.begin_to_pay(winner, order)
    say(f"   POST /payments/create-intent: payment {begun['paymentId'][:8]}, a client secret for the phone alone")
    try:
        await paying.confirm(winner.http, settings, begun["clientSecret"], DECLINED_CARD)
    except paying.Declined as declined:
        say(f"   the phone confirms with Stripe: [red]declined[/], {declined.code}")
    else:
        raise OrderFailed("a card without money was taken")
    order_id = str(order["id"])
    await paying.order_when(winner, order_id, lambda now: any(e["event"] == "PaymentDeclined" for e in now["history"]))
    payment = await winner.get(f"/payments/{begun['paymentId']}")
    say(f"   what {winner.username} reads: {payment['failureMessage']}")
    await paying.confirm(winner.http, settings, begun["clientSecret"])
    await paying.order_at(winner, order_id, "paid")
    say("   the phone confirms with another card: [green]paid[/]; Stripe's webhook told us")


async def _ship_and_receive(seller: Person, winner: Person, order: dict[str, object]) -> None:
    say("\n[bold]11. The seller ships[/], the buyer receives")
    seen = await seller.get(f"/orders/{order['id']}")
    say(f"   {seller.username} reads the address (sealed everywhere else): {seen['shippingAddress']['city']}")
    await seller.post(f"/orders/{order['id']}/ship", {"carrier": "Post", "trackingNumber": "RR123456785AT"})
    await winner.post(f"/orders/{order['id']}/confirm-delivery")
    say(f"   {winner.username} confirms that it arrived")


async def _pay_out(settings: Settings, seller: Person, order: dict[str, object]) -> None:
    say("\n[bold]12. The seller is paid out[/]")
    order_id = str(order["id"])
    await paying.order_when(seller, order_id, lambda now: any(e["event"] == "PayoutHeld" for e in now["history"]))
    say(f"   the payout waits: {seller.username} is not known to Stripe yet")
    await paying.onboard(seller)
    await paying.payouts_enabled(seller)
    say(f"   {seller.username} fills in Stripe's pages")
    done = await paying.order_at(seller, order_id, "completed")
    say(
        f"   {_amount(done, 'total')} paid, {_amount(done, 'fees')} fees, "
        f"[green]{_amount(done, 'payout')} paid out[/]; all of it at {str(settings.stripe_api_base).rstrip('/')}"
    )


async def _rate(seller: Person, winner: Person, order: dict[str, object]) -> None:
    await winner.post(f"/orders/{order['id']}/rate", {"stars": 5, "comment": "Well packed, as described."})
    await seller.post(f"/orders/{order['id']}/rate", {"stars": 5})
    invoice = await winner.get(f"/orders/{order['id']}/invoice")
    say(f"   both rate each other; the buyer's invoice is {invoice['number']} (?format=pdf gives the document)")


async def _history(seller: Person, order: dict[str, object]) -> None:
    say("\n[bold]13. The order's history[/], as its seller reads it")
    table = Table("#", "event", "by", "with")
    for event in (await seller.get(f"/orders/{order['id']}"))["history"]:
        said = {name: value for name, value in event["data"].items() if name not in HIDDEN and not name.endswith("At")}
        table.add_row(
            str(event["seq"]),
            event["event"],
            event["by"] or "",
            ", ".join(f"{name} {value}" for name, value in said.items()),
        )
    say(table)


async def _books(settings: Settings, order: dict[str, object]) -> list[str]:
    say("\n[bold]14. The ledger[/]: every movement has two sides")
    table = Table("account", "currency", "amount", "postings")
    total = 0
    for currency, account, amount, postings in await balances(settings, UUID(str(order["id"]))):
        total += amount
        table.add_row(account, currency, f"{amount / 100:.2f}", str(postings))
    say(table)
    differences: list[str] = [] if total == 0 else [f"the ledger of the order sums to {total}, not to 0"]
    await verify(settings, report=differences.append)
    say(f"   sums to {total / 100:.2f}; log, orders and ledger held against each other: {len(differences)} differences")
    return differences


def _amount(order: dict[str, object], name: str) -> str:
    return f"{order[name]:.2f} {order['currency']}"
