"""Writes what is due: claims documents, makes them of what is known at that moment, and hands them to the index in bulk.

Any number of processes do this side by side. A claim is a lease in the document's row of `due`, so whoever dies leaves nothing
undone; two who write the same document cannot do harm, since the index keeps the newer version.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

from consumers.indexing import store
from consumers.indexing.desk import read_auction, read_person
from consumers.indexing.gateway import Fate, Index, Operation, Outcome, Unavailable
from consumers.indexing.mapping import KINDS
from consumers.indexing.poison import Burials
from consumers.indexing.project import Shown, auction_document, person_document
from consumers.indexing.store import Claimed
from consumers.runtime import Database
from consumers.runtime.dead import Flooded
from consumers.runtime.outage import Backoff, is_outage
from consumers.runtime.parking import place_of
from schemas.envelope import time_ms

log = structlog.get_logger("index-writer")

WRITTEN: Final = Counter("index_documents_written_total", "Documents that stand in the index.", ["kind"])
LATER: Final = Counter("index_documents_later_total", "Documents that the index could not take at the time.", ["kind"])
REFUSED: Final = Counter("index_documents_refused_total", "Documents that the index will never take.", ["kind"])
BULK_SECONDS: Final = Histogram("index_bulk_seconds", "One bulk request.")
DUE: Final = Gauge("index_documents_due", "Documents that wait to be written.")
OLDEST_DUE: Final = Gauge("index_oldest_due_seconds", "How long the first of them has been waiting.")

AT_ONCE: Final = 2
"""Bulk requests under way in one process: while the server digests one, the next is made."""
MOST, LEAST = 1_000, 10
"""Documents of one claim; halved whenever the server is overloaded, then grown again."""
LEASE_S: Final = 30.0
"""Longer than a request may take (gateway.ANSWERS_WITHIN_S); what a slow one and the next holder both write, stands once."""
REPORT_EVERY_S: Final = 5.0
SPREAD_PER_S: Final = 2_000
"""Documents that a seller's change makes due within a second: about what the index takes, so that nothing else waits long."""
HIDDEN_FOR_S: Final = 3_600.0
"""Longer than a cursor of a search is good for (edge_api.search_cursor): its pages are as the index was."""
ACTIVE_S: Final = 1.0
LOOK_ACTIVE_S, LOOK_IDLE_S = 0.01, 0.25
"""How often it looks for due documents within ACTIVE_S of an event, and when nothing happens."""


class PushedBack(Exception):
    """The server could not take some of the documents now."""


class Writer:
    """What writes the index, as part of each worker process."""

    def __init__(self, index: Index, burials: Burials, *, window_ms: int) -> None:
        """Take the index, the way to the dead letters, and the shortest time between two writes of a document."""
        self._index = index
        self._burials = burials
        self._window_ms = window_ms
        self._most = MOST
        self._standing = False
        self._active_until = 0.0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that a commit under way makes documents due."""
        self._active_until = asyncio.get_running_loop().time() + ACTIVE_S
        self._woken.set()

    async def run(self, db: Database) -> None:
        """Write until cancelled."""
        # Whichever ends, ends with a bug: the first one is told, and the process with all of them goes.
        await asyncio.gather(self._report(db), *(self._write_for_ever(db) for _ in range(AT_ONCE)))

    async def close(self) -> None:
        """Let the connections go."""
        await self._index.close()
        await self._burials.close()

    async def _write_for_ever(self, db: Database) -> None:
        backoff = Backoff()
        while True:
            try:
                written = await self.flush(db)
            except (Unavailable, PushedBack, Flooded) as error:
                self._most = max(LEAST, self._most // 2)
                await backoff.wait(error, "Elasticsearch", why=str(error))
            except Exception as error:
                if not is_outage(error):
                    raise
                await backoff.wait(error, "PostgreSQL or Kafka")
            else:
                backoff.reset()
                self._most = min(MOST, self._most * 2)
                if not written:
                    await self._rest()

    async def _rest(self) -> None:
        active = asyncio.get_running_loop().time() < self._active_until
        self._woken.clear()
        try:
            async with asyncio.timeout(LOOK_ACTIVE_S if active else LOOK_IDLE_S):
                await self._woken.wait()
                # The event that woke us is committed a moment later.
                await asyncio.sleep(LOOK_ACTIVE_S / 2)
        except TimeoutError:
            return

    async def flush(self, db: Database) -> int:
        """Write what is due, as much as goes into one claim; returns how many documents that were.

        Raises Unavailable and PushedBack when some are due again later, and what PostgreSQL raises.
        """
        if not self._standing:
            async with store.founding(db):
                await self._stand(db)
        claimed = await store.claim(db, self._most, lease_s=LEASE_S)
        if not claimed:
            return 0
        try:
            await self._write(db, claimed)
        except Unavailable:
            await self._later(db, claimed)
            raise
        return len(claimed)

    async def _stand(self, db: Database) -> None:
        """See that each alias leads to an index that knows all fields."""
        for kind in KINDS:
            if not await self._index.stands(kind):
                # In this order: if we die in between, everything is due once more, rather than never.
                await store.all_due(db, kind)
                name = await self._index.free_name(kind)
                await self._index.make(kind, name, alias=True)
                log.info("index made", index=name)
            elif reason := await self._index.extend(kind):
                log.error("the index has another shape: run `marketplace index rebuild`", kind=kind, reason=reason)
        self._standing = True

    async def _write(self, db: Database, claimed: Sequence[Claimed]) -> None:
        people = [one.id for one in claimed if one.kind == "users"]
        if people:
            # Not when the person's event is learnt: an auction that is committed at the same moment would be missed.
            await store.sellers_changed(db, people, per_s=SPREAD_PER_S)
        facts = await store.read(db, [one.kind for one in claimed], [one.id for one in claimed])
        filling = await store.filling(db)
        shown, outcomes = _made(claimed, facts)
        operations = [
            (one, operation)
            for one, document in shown.items()
            if document is not None
            for operation in _operations(one, document, filling.get(one.kind))
        ]
        with BULK_SECONDS.time():
            written = await self._index.write([operation for _, operation in operations])
        outcomes |= _worst([one for one, _ in operations], written)
        await self._end(db, shown, {one: outcomes.get(one, Outcome(Fate.STANDS)) for one in claimed})

    async def _end(
        self, db: Database, shown: Mapping[Claimed, Shown | None], outcomes: Mapping[Claimed, Outcome]
    ) -> None:
        stand = [one for one, outcome in outcomes.items() if outcome.fate is Fate.STANDS]
        await store.done(db, stand, [_again_at(shown[one]) for one in stand], window_ms=self._window_ms)
        for kind in KINDS:
            count = sum(one.kind == kind for one in stand)
            WRITTEN.labels(kind).inc(count)
            self._burials.count(kind, count)
        back = [one for one, outcome in outcomes.items() if outcome.fate in (Fate.LATER, Fate.HOMELESS)]
        await self._later(db, back)
        # Last, since the dead letters may be full.
        for one, outcome in outcomes.items():
            if outcome.fate is Fate.REFUSED:
                await self._refuse(db, one, outcome.reason)
        if back:
            self._standing = self._standing and all(outcomes[one].fate is not Fate.HOMELESS for one in back)
            raise PushedBack(f"{len(back)} documents, {outcomes[back[0]].reason}")

    async def _later(self, db: Database, claimed: Sequence[Claimed]) -> None:
        for kind in KINDS:
            LATER.labels(kind).inc(sum(one.kind == kind for one in claimed))
        delay = timedelta(seconds=random.uniform(0.05, 0.5))  # noqa: S311
        await store.later(db, claimed, datetime.now(UTC) + delay)

    async def _refuse(self, db: Database, one: Claimed, reason: str) -> None:
        REFUSED.labels(one.kind).inc()
        log.error("document refused", kind=one.kind, id=str(one.id), reason=reason)
        await self._burials.bury(one.kind, *await store.source(db, one.kind, one.id), reason)
        await store.refused(db, one, reason)

    async def _report(self, db: Database) -> None:
        while True:
            try:
                due, oldest_s = await store.backlog(db)
                await store.forget_hidden(db, after_s=HIDDEN_FOR_S)
            except Exception as error:
                if not is_outage(error):
                    raise
            else:
                DUE.set(due)
                OLDEST_DUE.set(oldest_s)
            await asyncio.sleep(REPORT_EVERY_S)


def _made(
    claimed: Sequence[Claimed], facts: Sequence[store.Facts]
) -> tuple[dict[Claimed, Shown | None], dict[Claimed, Outcome]]:
    """The documents of what was claimed, and what cannot be made: a bug with one must not hold up the others."""
    known = {(fact.kind, fact.id): fact for fact in facts}
    shown: dict[Claimed, Shown | None] = {}
    failed: dict[Claimed, Outcome] = {}
    now_ms = time_ms()
    for one in claimed:
        try:
            shown[one] = document_of(known[one.kind, one.id], now_ms=now_ms)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and the event behind it put aside.
            failed[one] = Outcome(Fate.REFUSED, f"bug: {place_of(error)}")
    return shown, failed


def document_of(facts: store.Facts, *, now_ms: int) -> Shown | None:
    """The document that facts make; None when there is nothing to show yet."""
    if facts.kind == "users":
        return person_document(str(facts.id), read_person(facts.state))
    seller = None if facts.seller is None else read_person(facts.seller)
    return auction_document(str(facts.id), read_auction(facts.state), seller, now_ms=now_ms)


def _operations(one: Claimed, document: Shown, filling: str | None) -> list[Operation]:
    operations = [Operation(one.kind, one.id, document, require_alias=True)]
    if filling is not None:
        operations.append(Operation(filling, one.id, document))
    return operations


def _worst(claimed: Sequence[Claimed], outcomes: Sequence[Outcome]) -> dict[Claimed, Outcome]:
    """What became of each document in all its indices; what a rebuild fills may have gone meanwhile."""
    found: dict[Claimed, Outcome] = {}
    for one, outcome in zip(claimed, outcomes, strict=True):
        before = found.get(one)
        if before is None or (before.fate is Fate.STANDS and outcome.fate is Fate.LATER):
            found[one] = outcome
    return found


def _again_at(document: Shown | None) -> datetime | None:
    changes_at = None if document is None else document.changes_at
    return None if changes_at is None else datetime.fromtimestamp(changes_at / 1000, UTC)
