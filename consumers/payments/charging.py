"""Errands of paying: an intent is made, charged at once where the buyer agreed, or withdrawn."""

from consumers.payments import effects, store
from consumers.payments.gateway import Bill, Declined, Refused, WrongState
from consumers.payments.observing import intent_said
from consumers.payments.order import Order
from consumers.payments.provider import Intent
from consumers.payments.tools import Tools, command, customer_of, order_of, secret_of
from consumers.payments.units import NotPayable
from consumers.runtime import Claimed, Done, TryAgain
from schemas import payments as said

UNDER_WAY_S = 600.0
"""A bank's debit takes days: its end is told by a webhook, this only looks in between."""
REFUSED = "This payment cannot be made. Please ask the seller or us."


async def make_intent(tools: Tools, errand: effects.MakeIntent, job: Claimed) -> Done:
    """Make the one intent of an order, and leave its client secret for the buyer; a declined card leaves it, too."""
    order = await order_of(tools, errand.order_id)
    if order.status != "awaiting_payment":
        return no_intent(errand, job, "pay_window_over", "the order ended meanwhile")
    try:
        customer, made = await customer_of(tools, order.buyer_id)
        intent = await _asked_for(tools, order, customer, errand.method, job)
    except (Refused, NotPayable) as error:
        return no_intent(errand, job, getattr(error, "code", "currency_not_supported"), REFUSED)
    except Declined as declined:
        if declined.intent is None:
            return no_intent(errand, job, declined.why.code, declined.why.words)
        intent = declined.intent
    return Done(
        [secret_of(tools, order.payment_id, "intent", intent.client_secret)],
        [*made, command(job.id, order.id, await intent_said(tools, intent))],
    )


async def _asked_for(tools: Tools, order: Order, customer: str, method: str | None, job: Claimed) -> Intent:
    bill = Bill(
        order_id=order.id,
        auction_id=order.auction_id,
        user_id=order.buyer_id,
        amount_minor=order.amount,
        currency=order.currency,
        customer_id=customer,
    )
    again = job.attempt > 1
    if method is None:
        return await tools.gateway.create_intent(bill, key=job.id, again=again)
    return await tools.gateway.charge_kept_card(bill, card_id=method, key=job.id, again=again)


def no_intent(errand: effects.MakeIntent, job: Claimed, code: str, words: str) -> Done:
    """What follows when there will be no intent: whoever waits hears why."""
    payment_id = said.payment_id_of(errand.order_id)
    failed = said.RecordIntent(status="failed", decline_code=code, decline_message=words)
    return Done([store.leave_failure(payment_id, "intent", code, words)], [command(job.id, errand.order_id, failed)])


async def withdraw(tools: Tools, errand: effects.WithdrawIntent, job: Claimed) -> Done:
    """See to it that an intent is never paid; where it was paid first, that counts."""
    try:
        intent = await tools.gateway.cancel_intent(errand.intent_id, key=job.id)
    except WrongState:
        intent = await tools.gateway.intent(errand.intent_id)
    if intent.status == "processing":
        raise TryAgain("the payment is under way: its outcome decides", after_s=UNDER_WAY_S)
    return Done(commands=[command(job.id, errand.order_id, await intent_said(tools, intent))])
