"""Finds what we never heard of: lists the provider's recent events, and looks at intents that stay open.

A webhook may be lost on its way, or while we were away for long; what the list shows and we do not know is told to the worker
as the webhook would have told it, under the same id.
"""

import uuid
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from consumers.payments import store
from consumers.payments.comparing import yesterday_job
from consumers.payments.effects import LOOK, LookAtAccount, LookAtOrder, job
from consumers.payments.gateway import Stripe
from consumers.payments.observing import uuid_of
from consumers.payments.order import instant
from consumers.payments.provider import Event
from consumers.payments.reading import id_of
from consumers.payments.tools import command
from consumers.runtime import Claimed, Database, Done, Job, OutCommand, Write, enqueue
from schemas import payments as said
from schemas.envelope import time_ms

RECONCILE: Final = "reconcile"
OVERLAP_S: Final = 120
"""So far back behind the newest event that we know, others are listed each time: longer than we take to record one."""
WIDE_S: Final = 3_600
WIDE_EVERY_S: Final = 600
"""So often, and so far back, for what was lost while later ones came."""
FIRST_S: Final = 86_400 * 3
OPEN_FOR_S: Final = 60
LOOKED_AT: Final = 200
"""The most open intents, and accounts not ready yet, that one round looks at; others in each round, if there are more."""
_SERIES: Final = UUID("6f6a0f0e-91c5-5f0b-8d0e-4a2f7b1c9d10")

CURSOR = """
    SELECT max(created_at) FROM provider_event
"""


class Reconciler:
    """Does the job `reconcile`, each of which makes the next one due."""

    def __init__(self, gateway: Stripe, *, every_s: int) -> None:
        self._gateway = gateway
        self._every_s = every_s
        self._known: Database | None = None

    async def open(self, db: Database) -> None:
        """Take the worker's database, and see to it that a round is due."""
        self._known = db
        for write in enqueue(self._round(delay_s=0)):
            await db.executemany(write.sql, write.rows)

    def _round(self, *, delay_s: float) -> Job:
        """The round of this time: however many processes there are, it is one."""
        number = int(time_ms() / 1000 + delay_s) // self._every_s
        is_wide = number % max(1, WIDE_EVERY_S // self._every_s) == 0
        return Job(
            id=uuid.uuid5(_SERIES, f"{self._every_s}:{number}"),
            kind=RECONCILE,
            payload=b"wide" if is_wide else b"",
            delay_s=delay_s,
        )

    @property
    def _db(self) -> Database:
        assert self._known is not None
        return self._known

    async def act(self, job: Claimed) -> Done:
        """One round."""
        told = await self._unheard(WIDE_S if job.payload == b"wide" else OVERLAP_S)
        yesterday = yesterday_job(datetime.now(UTC))
        return Done([*await self._looks(job.id), *self._next(), *enqueue(yesterday)], told)

    async def gave_up(self, _job: Claimed, _reason: str) -> Done:
        """A round that failed for long is followed by the next all the same."""
        return Done(self._next())

    def _next(self) -> list[Write]:
        return enqueue(self._round(delay_s=self._every_s))

    async def _unheard(self, overlap_s: int) -> list[OutCommand]:
        last = await self._db.fetchval(CURSOR)
        since = time_ms() // 1000 - FIRST_S if last is None else int(last.timestamp()) - overlap_s
        events = [one async for one in self._gateway.events(since=since)]
        unheard = await store.unheard(self._db, [one.id for one in events])
        # Oldest first, as they happened.
        return [heard(one) for one in reversed(events) if one.id in unheard]

    async def _looks(self, round_id: UUID) -> list[Write]:
        hour = time_ms() // 3_600_000
        before_ms = time_ms() - OPEN_FOR_S * 1000
        orders = await store.to_look_at(self._db, round_id, before_ms=before_ms, limit=LOOKED_AT)
        sellers = await store.not_onboarded(self._db, round_id, limit=LOOKED_AT)
        # One look an hour at each, by the id of its job: what was missed is nearly always in the list of events.
        return enqueue(
            *(job(uuid.uuid5(one, f"look:{hour}"), LOOK, LookAtOrder(one)) for one in orders),
            # What the provider tells of sellers' accounts stands in no list of ours.
            *(job(uuid.uuid5(one, f"account:{hour}"), LOOK, LookAtAccount(account, one)) for one, account in sellers),
        )


def heard(event: Event) -> OutCommand:
    """An event as the webhook would have told it."""
    body = event.body
    metadata = body.get("metadata") or {}
    order_id, user_id = uuid_of(metadata.get("order_id")), uuid_of(metadata.get("user_id"))
    object_id = body.get("id")
    is_intent = body.get("object") == "payment_intent"
    told = said.RecordProviderEvent.model_validate(
        {
            "provider_event_id": event.id,
            "provider_type": event.type,
            "object_type": body.get("object"),
            "object_id": object_id,
            "created": instant(event.created_at * 1000),
            "account": event.account,
            "livemode": event.livemode,
            "order_id": order_id,
            "user_id": user_id,
            "payment_intent_id": object_id if is_intent else id_of(body.get("payment_intent")),
            "charge_id": object_id if body.get("object") == "charge" else id_of(body.get("charge")),
        }
    )
    key = order_id or user_id or said.provider_key_of(object_id or event.id)
    return command(key, key, told)._replace(id=said.provider_event_command_id(event.id))
