"""Errands of looking: how an order, an account or a saved method stands at the provider now."""

from pydantic import BaseModel

from consumers.payments import effects, store
from consumers.payments.observing import account_said, charge_of, dispute_said, existing, intent_said, refund_said
from consumers.payments.tools import Tools, command
from consumers.runtime import Claimed, Done, GiveUp, TryAgain
from schemas import payments as said


async def look_at_order(tools: Tools, errand: effects.LookAtOrder, job: Claimed) -> Done:
    """Tell how an order's intent, its refunds and one dispute stand; raises TryAgain while the order or its intent is not known."""
    order_id = errand.order_id
    if order_id is None:
        order_id = await store.order_of(tools.db, intent_id=errand.intent_id, charge_id=errand.charge_id)
    order = None if order_id is None else await store.load_order(tools.db, order_id)
    if order is None:
        raise TryAgain("no order of ours is paid by it, yet")
    intent_id = order.intent_id or errand.intent_id
    if intent_id is None:
        raise TryAgain("its intent is not known, yet")
    intent = await existing(tools.gateway.intent, intent_id)
    told: list[BaseModel] = [await intent_said(tools, intent)]
    charge = await charge_of(tools, intent)
    if charge is not None and (charge.refunded_minor or order.refunds):
        told += [refund_said(one) for one in await tools.gateway.refunds(intent.id)]
    if errand.dispute_id is not None:
        told.append(await dispute_said(tools, errand.dispute_id))
    return Done(commands=[command(job.id, order.id, one) for one in told])


async def look_at_account(tools: Tools, errand: effects.LookAtAccount, job: Claimed) -> Done:
    """Tell how a seller's account stands."""
    user_id = errand.user_id or await store.person_of_account(tools.db, errand.account_id)
    if user_id is None:
        raise TryAgain("no seller of ours has this account, yet")
    return Done(commands=[await account_said(tools, errand.account_id, user_id, job)])


async def look_at_setup(tools: Tools, errand: effects.LookAtSetup, job: Claimed) -> Done:
    """Tell which payment method a buyer saved."""
    person = await store.load_person(tools.db, errand.user_id)
    setup = await existing(tools.gateway.setup, errand.setup_id)
    if setup.payment_method_id is None or person.customer_id is None:
        raise GiveUp("no payment method was saved")
    cards = await tools.gateway.cards(person.customer_id)
    card = next((one for one in cards if one.id == setup.payment_method_id), None)
    if card is None:
        raise GiveUp("the payment method is gone again")
    told = said.RecordPayer(
        customer_id=person.customer_id,
        payment_method_id=card.id,
        brand=card.brand,
        last4=card.last4,
        exp_month=card.expires_month,
        exp_year=card.expires_year,
    )
    return Done(commands=[command(job.id, person.id, told)])
