"""Decides the commands of one partition: looks up what deciding needs, decides in order, says what is to be written, told and done."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from consumers.payments import person as people
from consumers.payments import store
from consumers.payments.decide import decide
from consumers.payments.effects import jobs_of, look_for, wake_job
from consumers.payments.evolve import evolve
from consumers.payments.facts import Asked, Decided, nothing, refused
from consumers.payments.known import ABOUT_PEOPLE, Known, know
from consumers.payments.ledger import entries_of
from consumers.payments.order import Order, Told
from consumers.payments.person import Person
from consumers.payments.store import PEOPLE
from consumers.runtime import Database, Decision, Incoming, OutEvent, Remembered, Verdict, Write, enqueue, event
from schemas import payments as said
from schemas.envelope import event_id_of, print_time
from schemas.payments import order_id_of


class PaymentsDesk:
    """Keeps nothing between two batches: every batch reads its orders anew."""

    async def decide(self, batch: Sequence[Incoming], earlier: Mapping[UUID, Remembered], db: Database) -> Verdict:
        """Decide a batch in its order."""
        known = await know(batch, db)
        decisions = [_decision(incoming, earlier, known) for incoming in batch]
        return Verdict(
            decisions=decisions,
            writes=_writes(known),
            state=[store.order_row(known.orders[one]) for one in sorted(known.changed_orders)],
        )


def _writes(known: Known) -> list[Write]:
    writes = [*store.book(known.entries), *enqueue(*known.jobs)]
    if known.changed_people:
        rows = [store.person_row(known.people[one]) for one in sorted(known.changed_people)]
        writes.append(Write("", rows, into=PEOPLE))
    if known.heard:
        writes.append(store.remember_events(known.heard))
    if known.stale_secrets:
        writes.append(store.take_secrets(known.stale_secrets))
    if known.new_debts:
        writes.append(Write(store.ADD_DEBT, known.new_debts))
    if known.recoveries:
        writes.append(Write(store.RECOVER, known.recoveries))
    return writes


def _decision(incoming: Incoming, earlier: Mapping[UUID, Remembered], known: Known) -> Decision:
    body, actor = incoming.body, incoming.actor
    if incoming.id in earlier:
        return _said(incoming, refused("idempotency_conflict"))
    assert actor is not None
    if isinstance(body, said.RecordProviderEvent):
        return _said(incoming, _hear(incoming, known) if actor.is_system else refused("forbidden"))
    if isinstance(body, ABOUT_PEOPLE):
        return _about_person(incoming, known)
    if isinstance(body, said.OpenOrder) and incoming.aggregate != order_id_of(body.auction_id, body.offer_number):
        return _said(incoming, refused("wrong_key"))
    return _about_order(incoming, known)


def _hear(incoming: Incoming, known: Known) -> Decided:
    known.heard.append(incoming.body)
    jobs = list(look_for(incoming.body, incoming.id))
    known.jobs += jobs
    return Decided("accepted", "looked_into") if jobs else nothing("kept")


def _about_order(incoming: Incoming, known: Known) -> Decision:
    order = known.orders.get(incoming.aggregate)
    assert incoming.actor is not None
    asked = Asked(incoming.body, incoming.actor, incoming.at_ms, known.facts(order, incoming.body))
    decided = decide(order, asked)
    if not decided.told:
        return _said(incoming, decided)
    first = 1 if order is None else order.sequence + 1
    before = order
    for sequence, told in enumerate(decided.told, first):
        after = evolve(order, told, incoming.at_ms)
        _note(known, order, after, told, incoming, event_id_of(incoming.aggregate, sequence))
        order = after
    assert order is not None
    known.orders[order.id] = order
    known.changed_orders.add(order.id)
    known.jobs += wake_job(order, before, incoming.at_ms)
    return _told(incoming, decided, first)


def _note(known: Known, before: Order | None, after: Order, told: Told, incoming: Incoming, event_id: UUID) -> None:
    known.entries += [(entry, incoming.at_ms) for entry in entries_of(before, after, told, event_id)]
    known.jobs += jobs_of(told, event_id=event_id, command_id=incoming.id, **_origin(incoming))
    match told.event:
        case said.PaymentStarted() as begun if before is not None and before.payment != "none":
            known.stale_secrets.append(begun.payment_id)
        case said.ReversalFailed() as failed:
            known.owe(after, failed.reversal_id, failed.amount)
        case said.PayoutStarted() as started if started.recovered:
            known.recover(after, started.payout_id, started.recovered)


def _origin(incoming: Incoming) -> dict[str, Any]:
    return {"correlation_id": incoming.correlation_id, "traceparent": incoming.traceparent}


def _about_person(incoming: Incoming, known: Known) -> Decision:
    person = known.people.get(incoming.aggregate) or Person(id=incoming.aggregate)
    assert incoming.actor is not None
    decided = people.decide(person, Asked(incoming.body, incoming.actor, incoming.at_ms))
    if not decided.told:
        return _said(incoming, decided)
    first = person.sequence + 1
    for sequence, told in enumerate(decided.told, first):
        person = people.evolve(person, told)
        event_id = event_id_of(person.id, sequence)
        known.jobs += jobs_of(told, event_id=event_id, command_id=incoming.id, **_origin(incoming))
    known.people[person.id] = person
    known.changed_people.add(person.id)
    return _told(incoming, decided, first)


def _told(incoming: Incoming, decided: Decided, first: int) -> Decision:
    at = print_time(incoming.at_ms)
    events = [
        event(
            type(one.event).__name__,
            aggregate=incoming.aggregate,
            sequence=sequence,
            at=at,
            data=one.event.model_dump_json(by_alias=True, exclude_none=True).encode(),
        )
        for sequence, one in enumerate(decided.told, first)
    ]
    kept = [one.kept for one in decided.told]
    return _said(incoming, decided, events, msgspec.json.encode(kept) if any(kept) else None)


def _said(
    incoming: Incoming, decided: Decided, events: Sequence[OutEvent] = (), facts: bytes | None = None
) -> Decision:
    return Decision(
        incoming, decided.outcome, decided.code, msgspec.json.encode(decided.answer), events=events, facts=facts
    )
