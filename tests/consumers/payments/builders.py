"""Good examples of orders and commands, and a small language to bring an order somewhere: values only, no server."""

from typing import Any
from uuid import UUID

from consumers.payments.decide import decide
from consumers.payments.facts import Asked, Decided, Facts, after
from consumers.payments.order import Order, Told, instant
from schemas import payments as said
from schemas.envelope import Actor, Wire
from schemas.money import Minor
from schemas.payments import Terms, order_id_of

NOON = 1_795_694_400_000
HOUR = 3_600_000
DAY = 24 * HOUR
AUCTION = UUID("0d8f3c1e-5a57-4b7e-9f0e-2f6c8a1b4d01")
ORDER = order_id_of(AUCTION)
ANNA = Actor("5b0c6f5e-4f0a-4a5b-8f38-6f1d2f7a9c02", ("buyer",))
MINA = Actor("9a3e1d7c-2b46-4e0f-8c59-1e7b3a6d5f03", ("buyer", "seller"))
EVE = Actor("11111111-1111-4111-8111-111111111111", ("buyer", "seller"))
ADMIN = Actor("22222222-2222-4222-8222-222222222222", ("buyer", "admin"))
SYSTEM = Actor("platform", ("system",))
PAID_SELLER = Facts(seller_paid=True)


def terms(**changes: Any) -> Terms:
    return Terms(
        **{
            "version": "2026-1",
            "hammer_bps": 800,
            "payment_bps": 290,
            "payment_fixed": Minor(30),
            "tax_bps": 0,
            "pay_window_s": 345_600,
            "complete_after_s": 604_800,
            **changes,
        }
    )


def opening(**changes: Any) -> said.OpenOrder:
    return said.OpenOrder(
        **{
            "auction_id": AUCTION,
            "offer_number": 0,
            "buyer_id": UUID(ANNA.id),
            "seller_id": UUID(MINA.id),
            "title": "Leica M3",
            "hammer_price": Minor(150_00),
            "shipping_cost": Minor(0),
            "currency": "USD",
            "terms": terms(),
            **changes,
        }
    )


def pay(amount: int = 150_00, currency: str = "USD") -> said.CreateIntent:
    return said.CreateIntent(amount=Minor(amount), currency=currency, shipping_sealed="v1.sealed")


def intent(status: str, **changes: Any) -> said.RecordIntent:
    received = Minor(150_00 if status == "succeeded" else 0)
    charge = {"charge_id": "ch_1", "provider_fee": Minor(465)} if status == "succeeded" else {}
    return said.RecordIntent(**{"intent_id": "pi_1", "status": status, "received": received, **charge, **changes})


def refund_done(order: Order, number: int = 0, status: str = "succeeded") -> said.RecordRefund:
    asked = order.refunds[number]
    return said.RecordRefund.model_validate(
        {
            "refund_id": asked.id,
            "provider_refund_id": f"re_{number}",
            "amount": Minor(asked.amount),
            "status": status,
        }
    )


def dispute(status: str = "needs_response", amount: int = 150_00) -> said.RecordDispute:
    return said.RecordDispute(dispute_id="dp_1", amount=Minor(amount), fee=Minor(15_00), status=status)


class Story:
    """An order and what happened to it; each step must be accepted unless it is only asked."""

    def __init__(self) -> None:
        self.order: Order | None = None
        self.at_ms = NOON
        self.facts = PAID_SELLER
        self.told: list[str] = []
        self.happened: list[Told] = []

    @property
    def now(self) -> Order:
        assert self.order is not None
        return self.order

    def ask(self, body: Wire, actor: Actor = SYSTEM) -> Decided:
        """Ask and let happen what is decided."""
        decided = decide(self.order, Asked(body, actor, self.at_ms, self.facts))
        if decided.told:
            self.order = after(self.order, decided.told, self.at_ms)
        self.told += [_name(one) for one in decided.told]
        self.happened += decided.told
        return decided

    def step(self, body: Wire, actor: Actor = SYSTEM) -> "Story":
        decided = self.ask(body, actor)
        assert decided.outcome == "accepted", decided
        return self

    def later(self, ms: int) -> "Story":
        self.at_ms += ms
        return self

    def wake(self) -> Decided:
        return self.ask(said.WakeOrder(wake_at=instant(self.at_ms)))

    def pay_out(self) -> "Story":
        """Let every payout and reversal under way succeed."""
        for payout in self.now.payouts:
            if payout.status == "started":
                self.step(said.RecordTransfer(payout_id=payout.id, transfer_id=f"tr_{payout.id.hex[:6]}"))
        for back in self.now.reversals:
            if back.status == "started":
                self.step(said.RecordReversal(reversal_id=back.id, provider_reversal_id=f"trr_{back.id.hex[:6]}"))
        return self


def _name(told: Told) -> str:
    return type(told.event).__name__


def opened() -> Story:
    return Story().step(opening())


def asked_to_pay() -> Story:
    return opened().step(pay(), ANNA).step(intent("requires_payment_method"))


def paid() -> Story:
    return asked_to_pay().step(intent("succeeded"))


def shipped() -> Story:
    return paid().step(said.ShipOrder(carrier="DHL"), MINA)


def delivered() -> Story:
    return shipped().step(said.ConfirmDelivery(), ANNA)


def completed() -> Story:
    return delivered().pay_out()


def unpaid() -> Story:
    story = opened().later(4 * DAY)
    story.wake()
    return story


def cancelled() -> Story:
    return opened().step(said.CancelOrder(reason="It broke."), MINA)


def offered() -> Story:
    return Story().step(opening(offer_days=3, offer_number=1))


def lapsed() -> Story:
    return offered().step(said.DeclineOffer(), ANNA)


def disputed() -> Story:
    return shipped().step(said.DisputeOrder(reason="not_received"), ANNA)


def refunded() -> Story:
    story = paid().step(said.RefundOrder(), MINA)
    return story.step(refund_done(story.now))


EVERY_STATE = {
    "offered": offered,
    "awaiting_payment": opened,
    "paid": paid,
    "shipped": shipped,
    "delivered": lambda: _unpaid_seller(shipped()).step(said.ConfirmDelivery(), ANNA),
    "completed": completed,
    "cancelled": cancelled,
    "unpaid": unpaid,
    "refunded": refunded,
    "disputed": disputed,
    "lapsed": lapsed,
}
"""One order in each state."""


def _unpaid_seller(story: Story) -> Story:
    story.facts = Facts()
    return story
