"""What the worker makes of what comes in: events become jobs, outcomes become events."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from consumers.notifications import store
from consumers.notifications.decide import Known, decide, evolve
from consumers.notifications.letters import LETTERS, job_of
from consumers.notifications.order_letters import jobs_of
from consumers.runtime import Database, Decision, Incoming, Remembered, Verdict, enqueue, event
from schemas.envelope import print_time
from schemas.notifications import RecordDelivery
from schemas.users import UserErased


class Letters:
    """Turns events that call for a letter into jobs and keeps who is who; a repeated event finds its job standing."""

    async def decide(
        self,
        batch: Sequence[Incoming],
        earlier: Mapping[UUID, Remembered],  # noqa: ARG002 - every desk is asked alike
        db: Database,  # noqa: ARG002
    ) -> Verdict:
        """One job per event that calls for a letter."""
        jobs = [job_of(incoming) for incoming in batch if incoming.type in LETTERS]
        known = [_reader_row(incoming) for incoming in batch if not isinstance(incoming.body, UserErased)]
        gone = [(i.aggregate, i.sequence or 0) for i in batch if isinstance(i.body, UserErased)]
        return Verdict(writes=[*enqueue(*jobs), *store.know_readers(known), *store.forget_readers(gone)])


def _reader_row(incoming: Incoming) -> tuple[UUID, str, str | None, int]:
    body = incoming.body
    return incoming.aggregate, body.username, getattr(body, "sealed_email", None), incoming.sequence or 0


class OrderLetters:
    """Turns events of orders into letters to their two sides."""

    async def decide(
        self,
        batch: Sequence[Incoming],
        earlier: Mapping[UUID, Remembered],  # noqa: ARG002 - every desk is asked alike
        db: Database,  # noqa: ARG002
    ) -> Verdict:
        """As many jobs as there are sides to be written to."""
        return Verdict(writes=enqueue(*(job for incoming in batch for job in jobs_of(incoming))))


class Deliveries:
    """Records what became of notifications and tells it, in one sequence per user."""

    async def decide(self, batch: Sequence[Incoming], earlier: Mapping[UUID, Remembered], db: Database) -> Verdict:
        """One decision per outcome."""
        known = await store.outcomes(db, {incoming.body.notification_id for incoming in batch})
        last = await store.last_sequences(db, {incoming.aggregate for incoming in batch})
        accepted: list[tuple[RecordDelivery, int]] = []
        decisions = [
            Decision(incoming, "refused", "idempotency_conflict")
            if incoming.id in earlier
            else _decision(incoming, known, last, accepted)
            for incoming in batch
        ]
        return Verdict(decisions, [store.record(*accepted)] if accepted else [])


def _decision(
    incoming: Incoming,
    known: dict[UUID, Known],
    last: dict[UUID, int],
    accepted: list[tuple[RecordDelivery, int]],
) -> Decision:
    command: RecordDelivery = incoming.body
    if command.user_id != incoming.aggregate:
        return Decision(incoming, "refused", "key_mismatch")
    before = known.get(command.notification_id)
    judgement = decide(before, command, incoming.actor)
    if judgement.told is None:
        return Decision(incoming, judgement.outcome, judgement.code)
    known[command.notification_id] = evolve(before, judgement.told)
    last[incoming.aggregate] = sequence = last.get(incoming.aggregate, 0) + 1
    accepted.append((command, incoming.at_ms))
    told = event(
        type(judgement.told).__name__,
        aggregate=incoming.aggregate,
        sequence=sequence,
        at=print_time(incoming.at_ms),
        data=judgement.told.model_dump_json(by_alias=True, exclude_none=True).encode(),
    )
    return Decision(incoming, judgement.outcome, judgement.code, events=[told])
