"""Does the errands at the provider: each may be done twice and has one effect; its outcome comes back as commands."""

import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel

from consumers.payments import effects, store
from consumers.payments.effects import read_errand
from consumers.payments.gateway import Bill, Declined, NotThere, Refused, Stripe, WrongState
from consumers.payments.order import Order
from consumers.payments.provider import Charge, Intent, Refund
from consumers.payments.units import NotPayable
from consumers.runtime import Claimed, Database, Done, GiveUp, OutCommand, TryAgain, Write
from schemas import payments as said
from schemas.envelope import time_ms
from schemas.money import Minor
from schemas.registry import BY_NAME
from schemas.sealed import TopicSeal

SETUP_S = 86_400
"""A client secret of a setup is of use for a day."""

REFUND_STATES: Final[dict[str, Literal["succeeded", "failed", "canceled"]]] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}
"""The provider's words that are final; any other means that the money is on its way."""

T = TypeVar("T")


def command(origin: UUID, aggregate: UUID, body: BaseModel) -> OutCommand:
    """A command to ourselves; its id follows from the job and from what it says, so that a later look is not taken for a repeat."""
    message = BY_NAME[type(body).__name__]
    data = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return OutCommand(
        topic=message.topic,
        aggregate=aggregate,
        id=uuid.uuid5(origin, f"{message.name} {data.decode()}"),
        type=message.name,
        ce_type=message.ce_type,
        schema=message.schema,
        data=data,
    )


class Cashier:
    """Speaks to the provider for the worker; one per process."""

    def __init__(self, *, gateway: Stripe, seal: TopicSeal, public_url: str) -> None:
        """Take the provider, what seals secrets, and the address that onboarding comes back to."""
        self._gateway = gateway
        self._seal = seal
        self._public_url = public_url.rstrip("/")
        self._known: Database | None = None

    async def open(self, db: Database) -> None:
        """Take the worker's database; before the first errand."""
        self._known = db

    async def close(self) -> None:
        """Take no more errands."""
        await self._gateway.close()

    @property
    def _db(self) -> Database:
        assert self._known is not None
        return self._known

    async def act(self, job: Claimed) -> Done:
        """Do one errand; raises TryAgain and GiveUp. Every attempt leaves a row in the audit trail."""
        errand = read_errand(job.payload)
        began = time.monotonic()
        outcome = "bug"
        try:
            done = await self._do(errand, job)
            outcome = "done"
        except (TryAgain, GiveUp) as error:
            outcome = str(error)
            raise
        finally:
            await store.note_call(
                self._db,
                job_id=job.id,
                attempt=job.attempt,
                errand=type(errand).__name__,
                order_id=getattr(errand, "order_id", None),
                outcome=outcome[:200],
                took_ms=round((time.monotonic() - began) * 1000),
            )
        return done

    async def _do(self, errand: effects.Errand, job: Claimed) -> Done:
        match errand:
            case effects.MakeIntent():
                return await self._make_intent(errand, job)
            case effects.WithdrawIntent():
                return await self._withdraw(errand, job)
            case effects.GiveBack():
                return await self._give_back(errand, job)
            case effects.PayOut():
                return await self._pay_out(errand, job)
            case effects.TakeBack():
                return await self._take_back(errand, job)
            case effects.LookAtOrder():
                return await self._look_at_order(errand, job)
            case effects.LookAtAccount():
                return await self._look_at_account(errand, job)
            case effects.LookAtSetup():
                return await self._look_at_setup(errand, job)
            case effects.Onboard():
                return await self._onboard(errand, job)
            case effects.BeginSetup():
                return await self._begin_setup(errand, job)
            case effects.ForgetMethod():
                return await self._forget(errand, job)
            case _:
                raise GiveUp(f"{type(errand).__name__} is no errand of the cashier's")

    async def gave_up(self, job: Claimed, reason: str) -> Done:
        """What becomes of an errand that was tried for long enough: whoever waits hears of it."""
        errand = read_errand(job.payload)
        match errand:
            case effects.MakeIntent():
                return await self._no_intent(errand, job, "provider_unavailable", reason)
            case effects.GiveBack() | effects.PayOut() | effects.TakeBack():
                return self._failed(errand, job, "provider_unavailable")
            case effects.Onboard():
                return Done([store.leave_failure(job.id, "onboarding", "provider_unavailable")])
            case effects.BeginSetup():
                return Done([store.leave_failure(job.id, "setup", "provider_unavailable")])
            case _:
                return Done()

    # Paying

    async def _make_intent(self, errand: effects.MakeIntent, job: Claimed) -> Done:
        order = await self._order(errand.order_id)
        if order.status != "awaiting_payment":
            return await self._no_intent(errand, job, "pay_window_over", "the order ended meanwhile")
        try:
            customer, made = await self._customer(order.buyer_id)
            intent = await self._asked_for(order, customer, errand.method, job)
        except (Refused, NotPayable) as error:
            return await self._no_intent(errand, job, getattr(error, "code", "currency_not_supported"), str(error))
        except Declined as declined:
            if declined.intent is None:
                return await self._no_intent(errand, job, declined.why.code, declined.why.words)
            intent = declined.intent
        return Done(
            [self._secret(order.payment_id, "intent", intent.client_secret)],
            [*made, command(job.id, order.id, await self._intent_said(intent))],
        )

    async def _asked_for(self, order: Order, customer: str, method: str | None, job: Claimed) -> Intent:
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
            return await self._gateway.create_intent(bill, keep_card=False, key=job.id, again=again)
        return await self._gateway.charge_kept_card(bill, card_id=method, key=job.id, again=again)

    async def _customer(self, user_id: UUID) -> tuple[str, list[OutCommand]]:
        """The provider's customer of a buyer, made at his first payment; two jobs at a time make the same one."""
        person = await store.load_person(self._db, user_id)
        if person.customer_id is not None:
            return person.customer_id, []
        key = uuid.uuid5(user_id, "customer")
        customer = await self._gateway.create_customer(user_id=user_id, key=key)
        return customer, [command(key, user_id, said.RecordPayer(customer_id=customer))]

    async def _no_intent(self, errand: effects.MakeIntent, job: Claimed, code: str, words: str) -> Done:
        payment_id = said.payment_id_of(errand.order_id)
        failed = said.RecordIntent(status="failed", decline_code=code, decline_message=words)
        return Done(
            [store.leave_failure(payment_id, "intent", code, words)], [command(job.id, errand.order_id, failed)]
        )

    async def _intent_said(self, intent: Intent) -> said.RecordIntent:
        charge = await self._charge(intent)
        return said.RecordIntent(
            intent_id=intent.id,
            status=intent.status,
            received=Minor(intent.received_minor),
            charge_id=intent.charge_id,
            provider_fee=None if charge is None or charge.fee_minor is None else Minor(charge.fee_minor),
            decline_code=None if intent.decline is None else intent.decline.code,
            decline_message=None if intent.decline is None else intent.decline.words,
        )

    async def _charge(self, intent: Intent) -> Charge | None:
        if intent.status != "succeeded" or intent.charge_id is None:
            return None
        return await self._gateway.charge(intent.charge_id)

    async def _withdraw(self, errand: effects.WithdrawIntent, job: Claimed) -> Done:
        try:
            intent = await self._gateway.cancel_intent(errand.intent_id, key=job.id)
        except WrongState:
            intent = await self._gateway.intent(errand.intent_id)
        if intent.status == "processing":
            raise TryAgain("the payment is under way: its outcome decides", after_s=60)
        return Done(commands=[command(job.id, errand.order_id, await self._intent_said(intent))])

    # Money back and on

    async def _give_back(self, errand: effects.GiveBack, job: Claimed) -> Done:
        order = await self._order(errand.order_id)
        try:
            made = await self._gateway.refund(
                intent_id=order.intent_id or "",
                amount_minor=errand.amount,
                currency=order.currency,
                order_id=order.id,
                key=job.id,
                again=job.attempt > 1,
            )
        except Refused as error:
            return self._failed(errand, job, error.code)
        return Done(commands=[command(job.id, order.id, refund_said(made, job.id))])

    async def _pay_out(self, errand: effects.PayOut, job: Claimed) -> Done:
        order = await self._order(errand.order_id)
        seller = await store.load_person(self._db, order.seller_id)
        try:
            made = await self._gateway.transfer(
                account_id=seller.account_id or "",
                amount_minor=errand.amount,
                currency=order.currency,
                source_charge_id=order.charge_id if errand.first else None,
                order_id=order.id,
                key=job.id,
                again=job.attempt > 1,
            )
        except Refused as error:
            return self._failed(errand, job, error.code)
        return Done(commands=[command(job.id, order.id, said.RecordTransfer(payout_id=job.id, transfer_id=made.id))])

    async def _take_back(self, errand: effects.TakeBack, job: Claimed) -> Done:
        order = await self._order(errand.order_id)
        try:
            made = await self._gateway.reverse(
                transfer_id=errand.transfer_id,
                amount_minor=errand.amount,
                currency=order.currency,
                order_id=order.id,
                key=job.id,
                again=job.attempt > 1,
            )
        except Refused as error:
            return self._failed(errand, job, error.code)
        reversal = said.RecordReversal(reversal_id=job.id, provider_reversal_id=made.id)
        return Done(commands=[command(job.id, order.id, reversal)])

    def _failed(self, errand: effects.GiveBack | effects.PayOut | effects.TakeBack, job: Claimed, code: str) -> Done:
        told: BaseModel
        match errand:
            case effects.GiveBack():
                told = said.RecordRefund(refund_id=job.id, amount=Minor(errand.amount), status="failed", failure=code)
            case effects.PayOut():
                told = said.RecordTransfer(payout_id=job.id, failure=code)
            case effects.TakeBack():
                told = said.RecordReversal(reversal_id=job.id, failure=code)
        return Done(commands=[command(job.id, errand.order_id, told)])

    # Looking

    async def _look_at_order(self, errand: effects.LookAtOrder, job: Claimed) -> Done:
        order_id = errand.order_id
        if order_id is None:
            order_id = await store.order_of(self._db, intent_id=errand.intent_id, charge_id=errand.charge_id)
        order = None if order_id is None else await store.load_order(self._db, order_id)
        if order is None:
            raise TryAgain("no order of ours is paid by it, yet")
        intent_id = order.intent_id or errand.intent_id
        if intent_id is None:
            raise TryAgain("its intent is not known, yet")
        intent = await self._existing(self._gateway.intent, intent_id)
        told: list[BaseModel] = [await self._intent_said(intent)]
        charge = await self._charge(intent)
        if charge is not None and (charge.refunded_minor or order.refunds):
            told += [refund_said(one) for one in await self._gateway.refunds(intent.id)]
        if errand.dispute_id is not None:
            told.append(await self._dispute_said(errand.dispute_id))
        return Done(commands=[command(job.id, order.id, one) for one in told])

    async def _dispute_said(self, dispute_id: str) -> said.RecordDispute:
        dispute = await self._existing(self._gateway.dispute, dispute_id)
        due = dispute.evidence_due_at
        return said.RecordDispute(
            dispute_id=dispute.id,
            amount=Minor(dispute.amount_minor),
            fee=Minor(max(0, dispute.fee_minor)),
            status=dispute.status,
            reason=dispute.reason,
            respond_by=None if due is None else datetime.fromtimestamp(due, UTC),
        )

    async def _existing(self, ask: Callable[[str], Awaitable[T]], object_id: str) -> T:
        try:
            return await ask(object_id)
        except NotThere as error:
            raise GiveUp(f"the provider knows no {object_id}") from error

    async def _look_at_account(self, errand: effects.LookAtAccount, job: Claimed) -> Done:
        user_id = errand.user_id or await store.person_of_account(self._db, errand.account_id)
        if user_id is None:
            raise TryAgain("no seller of ours has this account, yet")
        return Done(commands=[await self._account_said(errand.account_id, user_id, job)])

    async def _account_said(self, account_id: str, user_id: UUID, job: Claimed) -> OutCommand:
        asked_at = datetime.fromtimestamp(time_ms() / 1000, UTC)
        account = await self._existing(self._gateway.account, account_id)
        told = said.RecordAccount(
            account_id=account.id,
            observed_at=asked_at,
            details_submitted=account.details_submitted,
            charges_enabled=account.charges_enabled,
            payouts_enabled=account.payouts_enabled and account.transfers_active,
            requirements=list(account.currently_due),
        )
        return command(job.id, user_id, told)

    async def _look_at_setup(self, errand: effects.LookAtSetup, job: Claimed) -> Done:
        person = await store.load_person(self._db, errand.user_id)
        setup = await self._existing(self._gateway.setup, errand.setup_id)
        if setup.payment_method_id is None or person.customer_id is None:
            raise GiveUp("no payment method was saved")
        cards = await self._gateway.cards(person.customer_id)
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

    # People

    async def _onboard(self, errand: effects.Onboard, job: Claimed) -> Done:
        """The account is made once per seller: its key is the seller's, not the job's."""
        person = await store.load_person(self._db, errand.user_id)
        try:
            account_id = person.account_id
            if account_id is None:
                key = uuid.uuid5(errand.user_id, "account")
                made = await self._gateway.create_account(user_id=errand.user_id, country=errand.country, key=key)
                account_id = made.id
            link = await self._gateway.onboarding_link(
                account_id,
                return_url=f"{self._public_url}/payouts/return",
                refresh_url=f"{self._public_url}/payouts/refresh",
            )
        except Refused as error:
            return Done([store.leave_failure(job.id, "onboarding", error.code, str(error))])
        told = await self._account_said(account_id, errand.user_id, job)
        return Done([self._secret(job.id, "onboarding", link.url, expires_at=link.expires_at)], [told])

    async def _begin_setup(self, errand: effects.BeginSetup, job: Claimed) -> Done:
        try:
            customer, made = await self._customer(errand.user_id)
            setup = await self._gateway.create_setup(customer_id=customer, user_id=errand.user_id, key=job.id)
        except Refused as error:
            return Done([store.leave_failure(job.id, "setup", error.code, str(error))])
        expires_at = time_ms() // 1000 + SETUP_S
        return Done([self._secret(job.id, "setup", setup.client_secret, expires_at=expires_at)], made)

    async def _forget(self, errand: effects.ForgetMethod, job: Claimed) -> Done:
        try:
            await self._gateway.forget_card(errand.method, key=job.id)
        except Refused as error:
            raise GiveUp(str(error)) from error
        return Done()

    def _secret(self, id_: UUID, kind: str, text: str, *, expires_at: int | None = None) -> Write:
        sealed = self._seal.seal(text, message_id=str(id_), field=kind, at_s=time_ms() // 1000)
        return store.leave_secret(id_, kind, sealed, expires_at=expires_at)

    async def _order(self, order_id: UUID) -> Order:
        order = await store.load_order(self._db, order_id)
        if order is None:
            raise GiveUp("there is no such order")
        return order


def refund_said(refund: Refund, refund_id: UUID | None = None) -> said.RecordRefund:
    """What the provider says of a refund; one of ours bears the id of its job, which is its own."""
    marked = refund.metadata.get("job_id")
    return said.RecordRefund(
        refund_id=refund_id or (UUID(marked) if marked else None),
        provider_refund_id=refund.id,
        amount=Minor(refund.amount_minor),
        status=REFUND_STATES.get(refund.status, "pending"),
        failure=refund.failure,
    )
