"""What happens to a batch of one partition: read, decide, commit, tell; every failure leaves through the partition."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from aiokafka import ConsumerRecord
from asyncpg.exceptions import UniqueViolationError

from consumers.runtime import faultpoints, logs, metrics, parking
from consumers.runtime.commit import Commit, Fenced, Step
from consumers.runtime.dead import Burial, DeadLetters, Flooded
from consumers.runtime.inbox import Inbox
from consumers.runtime.incoming import Reading
from consumers.runtime.messages import Database, Decision, Desk, Incoming, Remembered, Verdict, Write
from consumers.runtime.outage import is_fatal, is_outage
from consumers.runtime.outcomes import Outcomes, Sifted, all_fresh, id_of_conflict, sift
from consumers.runtime.parking import Bug, place_of
from consumers.runtime.telling import Telling
from producers.outbox import Record
from producers.publish import Asked, LogRow, Publisher, Replies, answer, answers_of, reply

log = structlog.get_logger("partition")

T = TypeVar("T")

DECIDE_WITHIN_S = 60.0
DECIDED_ANEW_MAX = 3
LOOKED_UP_BATCHES = 50
"""After a takeover or a repeat found only by the commit, so many batches look their ids up before deciding."""


class TooSlow(Exception):
    """A desk took longer than DECIDE_WITHIN_S for one batch."""


class WrongVerdict(Exception):
    """A desk did not give one decision per message, in their order."""


class Tools(NamedTuple):
    """What the partitions of one inbox share."""

    inbox: Inbox
    db: Database
    commit: Commit
    publisher: Publisher
    replies: Replies
    dead: DeadLetters
    outcomes: Outcomes
    reading: Reading
    wake_runner: Callable[[str], None]
    claims: asyncio.Semaphore
    """How many takeovers may hold a connection at a time: each may need a second one to get free."""


class Claim(NamedTuple):
    """What a takeover found: where to go on, and under which epoch."""

    next_offset: int
    published: int
    epoch: int
    parked: set[bytes]


class _Decided(NamedTuple):
    """What the commit of a batch leaves to be told."""

    verdict: Verdict
    rows: Sequence[LogRow]
    records: Sequence[Record]


class Ledger:
    """Decides, commits and tells the batches of one partition, under the epoch of one takeover."""

    def __init__(self, number: int, claim: Claim, tools: Tools) -> None:
        self.number = number
        self.next_offset = claim.next_offset
        """All before it is decided."""
        self.telling = Telling(number, claim.next_offset, tools.inbox, tools.publisher, tools.replies)
        self.parked = claim.parked
        self.broken = False
        """Set after a failure: what is committed from now on is told by the next takeover."""
        self._stored = claim.next_offset
        self._stored_told = claim.published
        self._epoch = claim.epoch
        self._tools = tools
        self._inbox = tools.inbox
        self._desk = self._new_desk()
        self._unpark: list[Write] = []
        self._look_up = LOOKED_UP_BATCHES if tools.inbox.commands else 0
        labels = self._labels = (tools.inbox.topic, tools.inbox.group)
        self._decide_s = metrics.DECIDE.labels(*labels)
        self._commit_s = metrics.COMMIT.labels(*labels)
        self._batch_size = metrics.BATCH.labels(*labels)
        self._read = metrics.READ.labels(*labels)
        metrics.PARKED.labels(*labels, number).set(len(self.parked))

    @property
    def dirty(self) -> bool:
        """Whether the marks in Postgres are behind."""
        return self.next_offset != self._stored or self.telling.told != self._stored_told

    async def settle(self, records: Sequence[ConsumerRecord]) -> None:
        """Take a batch: all of it is decided, committed and handed to the producer, or nothing and it raises."""
        upto = records[-1].offset + 1
        batch, unreadable = self._tools.reading.read(records)
        self._tools.dead.count(len(batch))
        self._read.inc(len(records))
        if unreadable:
            await self._tools.dead.put([Burial(one.record, one.reason) for one in unreadable])
        if self.parked:
            batch = await self._without_parked(batch)
        try:
            await self._carry_out(batch, upto)
        except Bug:
            await self._one_by_one(batch, upto)

    async def _without_parked(self, batch: Sequence[Incoming]) -> list[Incoming]:
        kept: list[Incoming] = []
        aside: list[Incoming] = []
        for incoming in batch:
            if incoming.key in self.parked and incoming.redriven:
                self.parked.discard(incoming.key)
                self._unpark.append(parking.unpark(incoming))
            (aside if incoming.key in self.parked else kept).append(incoming)
        if aside:
            await self._tools.dead.put([Burial(incoming, "parked") for incoming in aside])
        return kept

    async def _one_by_one(self, batch: Sequence[Incoming], upto: int) -> None:
        """After a bug: each message alone, so that only the one that has it is set aside, and its key with it."""
        for incoming, following in zip(batch, [*batch[1:], None], strict=True):
            if self.broken:
                return
            end = upto if following is None else following.offset
            if incoming.offset < self.next_offset:
                continue
            alone = await self._without_parked([incoming])
            try:
                await self._carry_out(alone, end)
            except Bug:
                try:
                    await self._carry_out(alone, end)
                except Bug as bug:
                    await self._park(incoming, bug, end)

    async def _park(self, incoming: Incoming, bug: Bug, upto: int) -> None:
        reason = place_of(bug.__cause__ or bug)
        log.error("key parked", key=incoming.key.decode("utf-8", "replace"), reason=reason, **logs.about(incoming))
        await self._tools.dead.put([Burial(incoming, f"bug: {reason}")])
        self.parked.add(incoming.key)
        await self._commit(upto, writes=[parking.park(incoming, reason)])
        self.telling.tell(upto)
        metrics.PARKED.labels(*self._labels, self.number).set(len(self.parked))

    async def _carry_out(self, batch: Sequence[Incoming], upto: int) -> None:
        """Decide, commit and tell a batch; raises Bug when nothing of it could be, for a reason that stays."""
        rest = list(batch)
        anew = 0
        while True:
            batch = rest
            if self._look_up:
                self._look_up -= 1
                await self._recall(batch)
            sifted = sift(batch, self._tools.outcomes) if self._inbox.commands else all_fresh(batch)
            end = sifted.rest[0].offset if sifted.rest else upto
            try:
                decided = await self._decide_and_commit(sifted, end)
            except UniqueViolationError as violation:
                self._desk = self._new_desk()
                anew += 1
                if anew > DECIDED_ANEW_MAX:
                    raise Bug from violation
                if violation.constraint_name == "log_command_id":
                    self._look_up = LOOKED_UP_BATCHES
                continue
            except Exception as error:
                if isinstance(error, Fenced | Flooded) or is_outage(error) or is_fatal(error):
                    raise
                log.warning("decided one by one after a bug", partition=self.number, reason=place_of(error))
                self._desk = self._new_desk()
                raise Bug from error
            # Committed: from here on a failure of any kind is the next takeover's to make good.
            await self._follow_up(decided, sifted, end)
            if not sifted.rest:
                return
            rest = sifted.rest
            anew = 0

    async def _recall(self, batch: Sequence[Incoming]) -> None:
        ids = {incoming.id for incoming in batch}
        ids |= {id_of_conflict(incoming.id, incoming.fingerprint) for incoming in batch if incoming.fingerprint}
        await self._tools.outcomes.recall(self._tools.db, ids)

    async def _decide_and_commit(self, sifted: Sifted, upto: int) -> _Decided:
        await self._prepare(sifted)
        verdict = await self._judge(sifted)
        faultpoints.hit("decided")
        verdict.writes = [write for write in verdict.writes if write.rows]
        told = [(self._row(one, sifted), one.events) for one in verdict.decisions]
        rows = [row for row, _ in told]
        records = self._tools.publisher.records(told)
        if rows or verdict.writes or verdict.state or self._unpark:
            await self._commit(upto, rows=rows, state=verdict.state, writes=verdict.writes)
        else:
            self.next_offset = upto
        return _Decided(verdict, rows, records)

    async def _follow_up(self, decided: _Decided, sifted: Sifted, upto: int) -> None:
        put = self._tools.outcomes.put
        for row in decided.rows:
            put(row.command_id, Remembered(row.fingerprint, row.reply))
        if self.broken:
            return
        faultpoints.hit("committed")
        if self._inbox.after_commit is not None and decided.rows:
            await self._inbox.after_commit(decided.rows)
        asked = [*answers_of(decided.rows), *self._answers_again(sifted)]
        self.telling.tell(upto, decided.records, asked)
        for write in decided.verdict.writes:
            if write.wakes is not None:
                self._tools.wake_runner(write.wakes)
        self._count(decided.verdict, sifted)

    async def _prepare(self, sifted: Sifted) -> None:
        if self._inbox.prepare is not None:
            todo = [incoming for incoming in sifted.fresh if incoming.prepared is None]
            if todo:
                await _in_time(self._inbox.prepare(todo))

    async def _judge(self, sifted: Sifted) -> Verdict:
        if not sifted.fresh:
            return Verdict()
        since = time.perf_counter()
        verdict = await _in_time(self._desk.decide(sifted.fresh, sifted.earlier, self._tools.db))
        self._decide_s.observe(time.perf_counter() - since)
        due = sifted.fresh if self._inbox.commands else []
        if len(verdict.decisions) != len(due) or any(
            one.incoming is not incoming for one, incoming in zip(verdict.decisions, due, strict=True)
        ):
            raise WrongVerdict(f"{len(verdict.decisions)} decisions where {len(due)} were due")
        return verdict

    def _row(self, decision: Decision, sifted: Sifted) -> LogRow:
        incoming = decision.incoming
        events = decision.events
        return LogRow(
            self.number,
            incoming.offset,
            decision.aggregate or incoming.aggregate,
            events[0].sequence if events else None,
            events[-1].sequence if events else None,
            sifted.recorded_as.get(incoming.offset, incoming.id) if sifted.recorded_as else incoming.id,
            incoming.type,
            incoming.actor.id if incoming.actor else None,
            incoming.fingerprint,
            incoming.at_ms,
            incoming.reply_partition,
            reply(incoming.id, outcome=decision.outcome, code=decision.code, answer=decision.answer),
            [event.value for event in events],
            decision.facts,
            incoming.correlation_id,
            incoming.traceparent,
        )

    async def _commit(
        self,
        upto: int,
        *,
        rows: Sequence[LogRow] = (),
        state: Sequence[tuple[Any, ...]] = (),
        writes: Sequence[Write] = (),
    ) -> None:
        since = time.perf_counter()
        told = self.telling.told if self._inbox.commands else upto
        step = Step(self._inbox.topic, self.number, self._stored, upto, told, self._epoch)
        await self._tools.commit.run(self._tools.db, step, rows, state, [*self._unpark, *writes])
        self._stored = self.next_offset = upto
        self._stored_told = told
        self._unpark.clear()
        self._commit_s.observe(time.perf_counter() - since)

    async def flush(self) -> None:
        """Write the marks, if they moved; raises Fenced."""
        if self.dirty:
            told = self.telling.told
            step = Step(self._inbox.topic, self.number, self._stored, self.next_offset, told, self._epoch)
            await self._tools.commit.run(self._tools.db, step)
            self._stored, self._stored_told = self.next_offset, told

    def _answers_again(self, sifted: Sifted) -> list[Asked]:
        """The stored replies of commands that were repeated; never before the commit of the batch they came in."""
        again = []
        for incoming, known_as in sifted.repeats:
            known = self._tools.outcomes.get(known_as)
            if known is not None and incoming.reply_partition is not None:
                again.append(
                    answer(
                        incoming.reply_partition,
                        reply=known.reply,
                        correlation_id=incoming.correlation_id,
                        traceparent=incoming.traceparent,
                    )
                )
        return again

    def _count(self, verdict: Verdict, sifted: Sifted) -> None:
        self._batch_size.observe(len(sifted.fresh))
        if sifted.repeats:
            metrics.REPEATED.labels(*self._labels).inc(len(sifted.repeats))
        counted = Counter(
            (one.incoming.type, one.outcome, one.code if one.outcome == "refused" else "") for one in verdict.decisions
        )
        for (kind, outcome, code), times in counted.items():
            metrics.DECIDED.labels(*self._labels, kind, outcome).inc(times)
            if code:
                metrics.REFUSED.labels(*self._labels, kind, code).inc(times)

    def _new_desk(self) -> Desk:
        if self._inbox.make_desk is not None:
            return self._inbox.make_desk(self.number)
        return _Applying(self._inbox)


class _Applying:
    """The desk of an inbox that has an idempotent effect instead of decisions."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def decide(self, batch: Sequence[Incoming], _earlier: object, db: Database) -> Verdict:
        assert self._inbox.apply is not None
        return Verdict(writes=await self._inbox.apply(batch, db))


async def _in_time(work: Awaitable[T]) -> T:
    limit = asyncio.timeout(DECIDE_WITHIN_S)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if limit.expired():
            raise TooSlow from error
        raise
