"""What the provider says of a thing, as the command that tells it to ourselves."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar
from uuid import UUID

from consumers.payments.gateway import NotThere
from consumers.payments.provider import Charge, Intent, Refund
from consumers.payments.tools import Tools, command
from consumers.runtime import Claimed, GiveUp, OutCommand
from schemas import payments as said
from schemas.envelope import time_ms
from schemas.money import Minor

REFUND_STATES: Final[dict[str, Literal["succeeded", "failed", "canceled"]]] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}
"""The provider's words that are final; any other means that the money is on its way."""

T = TypeVar("T")


async def intent_said(tools: Tools, intent: Intent) -> said.RecordIntent:
    """An intent as the provider describes it, with what it kept of the payment."""
    charge = await charge_of(tools, intent)
    return said.RecordIntent(
        intent_id=intent.id,
        status=intent.status,
        received=Minor(intent.received_minor),
        charge_id=intent.charge_id,
        provider_fee=None if charge is None or charge.fee_minor is None else Minor(charge.fee_minor),
        decline_code=None if intent.decline is None else intent.decline.code,
        decline_message=None if intent.decline is None else intent.decline.words,
    )


async def charge_of(tools: Tools, intent: Intent) -> Charge | None:
    """The charge of an intent that succeeded."""
    if intent.status != "succeeded" or intent.charge_id is None:
        return None
    return await tools.gateway.charge(intent.charge_id)


def refund_said(refund: Refund, refund_id: UUID | None = None) -> said.RecordRefund:
    """What the provider says of a refund; one of ours bears the id of its job, which is its own."""
    return said.RecordRefund(
        refund_id=refund_id or uuid_of(refund.metadata.get("job_id")),
        provider_refund_id=refund.id,
        amount=Minor(refund.amount_minor),
        status=REFUND_STATES.get(refund.status, "pending"),
        failure=refund.failure,
    )


def uuid_of(text: str | None) -> UUID | None:
    """An id of ours out of the provider's metadata, in which anybody with its dashboard may write anything."""
    try:
        return None if text is None else UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None


async def dispute_said(tools: Tools, dispute_id: str) -> said.RecordDispute:
    """A dispute as it is now."""
    dispute = await existing(tools.gateway.dispute, dispute_id)
    due = dispute.evidence_due_at
    return said.RecordDispute(
        dispute_id=dispute.id,
        amount=Minor(dispute.amount_minor),
        fee=Minor(max(0, dispute.fee_minor)),
        status=dispute.status,
        reason=dispute.reason,
        respond_by=None if due is None else datetime.fromtimestamp(due, UTC),
    )


async def account_said(tools: Tools, account_id: str, user_id: UUID, job: Claimed) -> OutCommand:
    """A seller's account as it is now; raises GiveUp when there is none."""
    asked_at = datetime.fromtimestamp(time_ms() / 1000, UTC)
    account = await existing(tools.gateway.account, account_id)
    told = said.RecordAccount(
        account_id=account.id,
        observed_at=asked_at,
        details_submitted=account.details_submitted,
        charges_enabled=account.charges_enabled,
        payouts_enabled=account.payouts_enabled and account.transfers_active,
        requirements=list(account.currently_due),
    )
    return command(job.id, user_id, told)


async def existing(ask: Callable[[str], Awaitable[T]], object_id: str) -> T:
    """The answer about an object; raises GiveUp when the provider knows none."""
    try:
        return await ask(object_id)
    except NotThere as error:
        raise GiveUp(f"the provider knows no {object_id}") from error
