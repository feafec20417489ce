"""Does the errands at the provider: each may be done twice and has one effect; its outcome comes back as commands."""

import time

from consumers.payments import charging, effects, enrolling, looking, moving, store
from consumers.payments.effects import read_errand
from consumers.payments.gateway import Stripe
from consumers.payments.tools import Tools
from consumers.runtime import Claimed, Database, Done, GiveUp, TryAgain
from schemas.sealed import TopicSeal

AWAY = "provider_unavailable"
AWAY_IN_WORDS = "Payments are not possible at the moment. Please try again later."


class Cashier:
    """Speaks to the provider for the worker; one per process."""

    def __init__(self, *, gateway: Stripe, seal: TopicSeal, public_url: str) -> None:
        """Take the provider, what seals secrets, and the address that onboarding comes back to."""
        self._gateway = gateway
        self._seal = seal
        self._public_url = public_url.rstrip("/")
        self._ready: Tools | None = None

    async def open(self, db: Database) -> None:
        """Take the worker's database; before the first errand."""
        self._ready = Tools(db, self._gateway, self._seal, self._public_url)

    async def close(self) -> None:
        """Take no more errands."""
        await self._gateway.close()

    @property
    def _tools(self) -> Tools:
        assert self._ready is not None
        return self._ready

    async def act(self, job: Claimed) -> Done:
        """Do one errand; raises TryAgain and GiveUp. Every attempt leaves a row in the audit trail."""
        errand = read_errand(job.payload)
        began = time.monotonic()
        outcome = "bug"
        try:
            done = await _do(self._tools, errand, job)
            outcome = "done"
        except (TryAgain, GiveUp) as error:
            outcome = str(error)
            raise
        finally:
            await store.note_call(
                self._tools.db,
                job_id=job.id,
                attempt=job.attempt,
                errand=type(errand).__name__,
                order_id=getattr(errand, "order_id", None),
                outcome=outcome[:200],
                took_ms=round((time.monotonic() - began) * 1000),
            )
        return done

    async def gave_up(self, job: Claimed, _reason: str) -> Done:
        """What becomes of an errand that was tried for long enough: whoever waits hears of it."""
        match read_errand(job.payload):
            case effects.MakeIntent() as errand:
                return charging.no_intent(errand, job, AWAY, AWAY_IN_WORDS)
            case effects.GiveBack() | effects.PayOut() | effects.TakeBack() as errand:
                return moving.failed(errand, job, AWAY)
            case effects.Onboard():
                return Done([store.leave_failure(job.id, "onboarding", AWAY, AWAY_IN_WORDS)])
            case effects.BeginSetup():
                return Done([store.leave_failure(job.id, "setup", AWAY, AWAY_IN_WORDS)])
            case _:
                return Done()


async def _do(tools: Tools, errand: effects.Errand, job: Claimed) -> Done:
    match errand:
        case effects.MakeIntent():
            return await charging.make_intent(tools, errand, job)
        case effects.WithdrawIntent():
            return await charging.withdraw(tools, errand, job)
        case effects.GiveBack():
            return await moving.give_back(tools, errand, job)
        case effects.PayOut():
            return await moving.pay_out(tools, errand, job)
        case effects.TakeBack():
            return await moving.take_back(tools, errand, job)
        case effects.LookAtOrder():
            return await looking.look_at_order(tools, errand, job)
        case effects.LookAtAccount():
            return await looking.look_at_account(tools, errand, job)
        case effects.LookAtSetup():
            return await looking.look_at_setup(tools, errand, job)
        case effects.Onboard():
            return await enrolling.onboard(tools, errand, job)
        case effects.BeginSetup():
            return await enrolling.begin_setup(tools, errand, job)
        case effects.ForgetMethod():
            return await enrolling.forget(tools, errand, job)
        case effects.ForgetCustomer():
            return await enrolling.forget_customer(tools, errand)
        case _:
            raise GiveUp(f"{type(errand).__name__} is no errand of the cashier's")
