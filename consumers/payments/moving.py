"""Errands that move money after it was taken: back to the buyer, on to the seller, back from the seller."""

from pydantic import BaseModel

from consumers.payments import effects, store
from consumers.payments.gateway import Refused
from consumers.payments.observing import refund_said
from consumers.payments.tools import Tools, command, order_of
from consumers.runtime import Claimed, Done
from schemas import payments as said
from schemas.money import Minor


async def give_back(tools: Tools, errand: effects.GiveBack, job: Claimed) -> Done:
    """Refund a part of an order's payment."""
    order = await order_of(tools, errand.order_id)
    try:
        made = await tools.gateway.refund(
            intent_id=order.intent_id or "",
            amount_minor=errand.amount,
            currency=order.currency,
            order_id=order.id,
            key=job.id,
            again=job.attempt > 1,
        )
    except Refused as error:
        return failed(errand, job, error.code)
    return Done(commands=[command(job.id, order.id, refund_said(made, job.id))])


async def pay_out(tools: Tools, errand: effects.PayOut, job: Claimed) -> Done:
    """Transfer to the seller; the first time out of the order's own charge, whose money need not be available yet."""
    order = await order_of(tools, errand.order_id)
    seller = await store.load_person(tools.db, order.seller_id)
    try:
        made = await tools.gateway.transfer(
            account_id=seller.account_id or "",
            amount_minor=errand.amount,
            currency=order.currency,
            source_charge_id=order.charge_id if errand.first else None,
            order_id=order.id,
            key=job.id,
            again=job.attempt > 1,
        )
    except Refused as error:
        return failed(errand, job, error.code)
    return Done(commands=[command(job.id, order.id, said.RecordTransfer(payout_id=job.id, transfer_id=made.id))])


async def take_back(tools: Tools, errand: effects.TakeBack, job: Claimed) -> Done:
    """Reverse a transfer, or some of it."""
    order = await order_of(tools, errand.order_id)
    try:
        made = await tools.gateway.reverse(
            transfer_id=errand.transfer_id,
            amount_minor=errand.amount,
            currency=order.currency,
            order_id=order.id,
            key=job.id,
            again=job.attempt > 1,
        )
    except Refused as error:
        return failed(errand, job, error.code)
    reversal = said.RecordReversal(reversal_id=job.id, provider_reversal_id=made.id)
    return Done(commands=[command(job.id, order.id, reversal)])


def failed(errand: effects.GiveBack | effects.PayOut | effects.TakeBack, job: Claimed, code: str) -> Done:
    """What follows when the provider refuses for good, or is away for too long."""
    told: BaseModel
    match errand:
        case effects.GiveBack():
            told = said.RecordRefund(refund_id=job.id, amount=Minor(errand.amount), status="failed", failure=code)
        case effects.PayOut():
            told = said.RecordTransfer(payout_id=job.id, failure=code)
        case effects.TakeBack():
            told = said.RecordReversal(reversal_id=job.id, failure=code)
    return Done(commands=[command(job.id, errand.order_id, told)])
