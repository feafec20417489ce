"""Makes an index anew from the topics while people search and workers write, and leads the alias to it when it is right.

From the moment that the new index is named in `filling`, every worker writes to both. What the topics held then is replayed
into the states, whose documents fill the new index; whatever order the writes come in, the newer version stays. Interrupted,
it goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from compose.settings import Settings
from consumers.indexing import store
from consumers.indexing.app import build
from consumers.indexing.desk import fold_event, known_of
from consumers.indexing.gateway import Fate, Index, Operation
from consumers.indexing.mapping import REFRESH_MS, Kind
from consumers.indexing.poison import TOPICS
from consumers.indexing.project import Auction, Person
from consumers.indexing.verify import verify
from consumers.indexing.writer import document_of
from consumers.runtime import Inbox, Incoming
from consumers.runtime.incoming import Reading
from schemas.envelope import time_ms

CHUNK: Final = 1_000
AT_ONCE: Final = 2
RECORDS_AT_ONCE: Final = 5_000
FETCH_BYTES: Final = 4 << 20
LOCK: Final = 0x696E646578  # "index": one rebuild at a time

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


class Refused(Exception):
    """The rebuild did not swap the alias; the text says why, for an operator."""


async def rebuild(
    settings: Settings, kinds: Sequence[Kind], *, progress: Progress, report: Callable[[str], None]
) -> None:
    """Rebuild the indices of these kinds, people first; raises Refused, and what the servers raise."""
    async with _connected(settings) as (db, index):
        for kind in sorted(kinds, reverse=True):
            await Rebuild(settings, db, index, kind, progress, report).run()


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[tuple[asyncpg.Pool, Index]]:
    pool = await asyncpg.create_pool(
        settings.database_url("cli"), min_size=1, max_size=AT_ONCE + 2, server_settings={"search_path": "indexing"}
    )
    index = Index(settings.elasticsearch_url.get_secret_value())
    try:
        async with pool.acquire() as lock:
            if not await lock.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                raise Refused("another rebuild is running")
            yield pool, index
    finally:
        await index.close()
        await pool.close()


class Rebuild:
    """One kind's."""

    def __init__(
        self,
        settings: Settings,
        db: asyncpg.Pool,
        index: Index,
        kind: Kind,
        progress: Progress,
        report: Callable[[str], None],
    ) -> None:
        """Take what it reads from and writes to, and who is told how far it is."""
        self._settings = settings
        self._db = db
        self._index = index
        self._kind: Kind = kind
        self._progress = progress
        self._report = report

    async def run(self) -> None:
        """Begin or go on, to the swap of the alias."""
        name = await self._begin()
        await self._replay(name)
        await self._fill(name)
        await self._open(name)
        differences = await verify(self._settings, kinds=[self._kind], index=name, report=self._report)
        if differences:
            await self._give_up(name)
            raise Refused(f"{differences} differences from the truth: the alias stays where it was")
        await self._index.swap(self._kind, name)
        await store.filled(self._db, self._kind, name)
        self._report(f"{self._kind}: {name} is searched now")

    async def _begin(self) -> str:
        """The new index: that of an interrupted rebuild if it still stands."""
        begun = (await store.filling(self._db)).get(self._kind)
        if begun is not None and await self._index.client.indices.exists(index=begun):
            self._report(f"{self._kind}: going on with {begun}")
            return begun
        if begun is not None:
            await store.filled(self._db, self._kind, begun)
        present = await self._index.behind(self._kind)
        if present is not None:
            # What an earlier rebuild had to leave to those who paged through it.
            await self._index.tidy(self._kind, keep=present)
        name = await self._index.free_name(self._kind)
        await self._index.make(self._kind, name)
        # Nobody searches it yet.
        await self._index.client.indices.put_settings(index=name, settings={"refresh_interval": "-1"})
        await store.fill(self._db, self._kind, name)
        return name

    async def _replay(self, name: str) -> None:
        """Fold the topic anew, a partition at a time, and keep what comes of it."""
        inbox = next(one for one in build(self._settings).inboxes if one.topic == TOPICS[self._kind])
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
            # At the end of one partition the broker would have the next wait for what may come.
            fetch_max_wait_ms=10,
        )
        await consumer.start()
        try:
            places = [TopicPartition(inbox.topic, number) for number in range(self._settings.partitions)]
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            total = sum(ends[place] - begins[place] for place in places)
            finished = await store.replayed(self._db, name)
            count = 0
            for place in places:
                if place.partition not in finished:
                    consumer.assign([place])
                    consumer.seek(place, begins[place])
                    await self._replay_partition(consumer, place, ends[place], inbox, count, total)
                    await store.remember_replayed(self._db, name, place.partition)
                count += ends[place] - begins[place]
                self._progress(f"{self._kind}: events replayed", count, total)
        finally:
            await consumer.stop()

    async def _replay_partition(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, end: int, inbox: Inbox, before: int, total: int
    ) -> None:
        reading = Reading(inbox)
        states: dict[UUID, tuple[Auction | Person, Incoming]] = {}
        begin = position = await consumer.position(place)
        while position < end:
            found = await consumer.getmany(place, timeout_ms=1_000, max_records=RECORDS_AT_ONCE)
            for event in reading.read(found.get(place, []))[0]:
                self._fold(states, event)
            position = await consumer.position(place)
            self._progress(f"{self._kind}: events replayed", before + min(position, end) - begin, total)
        known = [known_of(state, event) for state, event in states.values()]
        for start in range(0, len(known), CHUNK):
            await store.keep_at_least(self._db, self._kind, known[start : start + CHUNK])

    def _fold(self, states: dict[UUID, tuple[Auction | Person, Incoming]], event: Incoming) -> None:
        blank = Auction() if self._kind == "auctions" else Person()
        before, changed_by = states.get(event.aggregate, (blank, event))
        after = fold_event(before, event)
        states[event.aggregate] = (after, event if after is not before else changed_by)

    async def _fill(self, name: str) -> None:
        """Write the document of every state, in the order of their ids."""
        last, count, total = UUID(int=0), 0, await store.count(self._db, self._kind)
        under_way: set[asyncio.Task[None]] = set()
        while ids := await store.ids_after(self._db, self._kind, last, CHUNK):
            if len(under_way) == AT_ONCE:
                ended, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            under_way.add(asyncio.create_task(self._fill_chunk(name, ids)))
            last, count = ids[-1], count + len(ids)
            self._progress(f"{self._kind}: documents written", count, max(count, total))
        await asyncio.gather(*under_way)

    async def _fill_chunk(self, name: str, ids: Sequence[UUID]) -> None:
        facts = await store.read(self._db, [self._kind] * len(ids), ids)
        now_ms = time_ms()
        shown = [(one.id, document_of(one, now_ms=now_ms)) for one in facts]
        operations = [Operation(name, key, document) for key, document in shown if document is not None]
        while operations:
            outcomes = await self._index.write(operations)
            failed = [outcome for outcome in outcomes if outcome.fate in (Fate.REFUSED, Fate.HOMELESS)]
            if failed:
                raise Refused(f"the new index takes not every document: {failed[0].reason}")
            operations = [one for one, outcome in zip(operations, outcomes, strict=True) if outcome.fate is Fate.LATER]
            await asyncio.sleep(0.5 if operations else 0)

    async def _open(self, name: str) -> None:
        client = self._index.client
        await client.indices.put_settings(index=name, settings={"refresh_interval": f"{REFRESH_MS}ms"})
        await client.indices.refresh(index=name)

    async def _give_up(self, name: str) -> None:
        await store.filled(self._db, self._kind, name)
        await self._index.client.indices.delete(index=name)
