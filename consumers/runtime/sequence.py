"""Guard for facts that come more than once: an event whose sequence was seen already is dropped."""

from collections.abc import Sequence
from uuid import UUID

from consumers.runtime.messages import Database, Incoming, Write

LAST_SEEN = """
    SELECT aggregate, sequence FROM seen WHERE topic = $1 AND aggregate = ANY($2)
"""

REMEMBER = """
    INSERT INTO seen AS s (topic, aggregate, sequence) VALUES ($1, $2, $3)
        ON CONFLICT (topic, aggregate) DO UPDATE SET sequence = excluded.sequence
     WHERE s.sequence < excluded.sequence
"""

CACHED_MAX = 10_000


class SequenceGuard:
    """Knows the last sequence seen of each aggregate of one topic; belongs to one desk and is thrown away with it."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._last: dict[UUID, int] = {}

    async def fresh(self, batch: Sequence[Incoming], db: Database) -> tuple[list[Incoming], Write]:
        """The events of a batch that are new, in order, and the write that remembers them."""
        await self._load({incoming.aggregate for incoming in batch}, db)
        fresh = []
        moved: dict[UUID, int] = {}
        for incoming in batch:
            sequence = incoming.sequence or 0
            if sequence > self._last.get(incoming.aggregate, 0):
                self._last[incoming.aggregate] = moved[incoming.aggregate] = sequence
                fresh.append(incoming)
        rows = [(self._topic, aggregate, sequence) for aggregate, sequence in sorted(moved.items())]
        return fresh, Write(REMEMBER, rows)

    async def _load(self, aggregates: set[UUID], db: Database) -> None:
        if len(self._last) > CACHED_MAX:
            self._last.clear()
        missing = [aggregate for aggregate in aggregates if aggregate not in self._last]
        if missing:
            self._last.update(dict.fromkeys(missing, 0))
            for aggregate, sequence in await db.fetch(LAST_SEEN, self._topic, missing):
                self._last[aggregate] = sequence
