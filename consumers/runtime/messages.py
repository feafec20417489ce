"""What passes between the runtime and a worker: what came in, what was decided, what is to be written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import asyncpg
import msgspec

from producers.publish import OutEvent
from schemas.envelope import Actor, Outcome

Database = asyncpg.Pool
"""The worker's pool; its search path is the worker's own schema."""


class Incoming(msgspec.Struct, gc=False):
    """One readable message of a topic; commands carry `actor`, events carry `sequence`."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    """The broker's record time, milliseconds since 1970."""
    key: bytes
    type: str
    """commandType or eventType."""
    id: UUID
    """commandId or eventId."""
    aggregate: UUID
    """The key, read."""
    body: Any
    """The envelope's `data`, as the reader of its kind returned it."""
    value: bytes
    """The record's whole value, raw JSON."""
    headers: Mapping[str, bytes]
    actor: Actor | None = None
    reply_partition: int | None = None
    deadline_ms: int | None = None
    fingerprint: bytes | None = None
    """SHA-256 of the canonical request, 32 bytes, when its sender named an Idempotency-Key."""
    correlation_id: str | None = None
    traceparent: str | None = None
    sequence: int | None = None
    prepared: Any = None
    """What the inbox's `prepare` left here; kept when the batch is decided anew."""

    @property
    def redriven(self) -> bool:
        """Whether a person sent this message again from the dead letters."""
        return "redriven-at" in self.headers


class Remembered(NamedTuple):
    """The outcome of an earlier command with the same id."""

    fingerprint: bytes | None
    reply: bytes
    """The whole reply as it was sent."""


class Decision(msgspec.Struct, gc=False):
    """What a worker makes of one command; `answer` is a JSON object, `facts` is whatever folds the state again."""

    incoming: Incoming
    outcome: Outcome
    code: str
    answer: bytes = b"{}"
    events: Sequence[OutEvent] = ()
    """Consecutive events of `aggregate`, in order."""
    facts: bytes | None = None
    aggregate: UUID | None = None
    """Whose log this belongs to, where that is not the command's key."""


class StateTable(NamedTuple):
    """The table that a hot worker keeps its state in; rows are upserted whole, columns in the table's order."""

    name: str
    key: Sequence[str]
    columns: Sequence[str]
    """All columns but those of the key."""


class Write(NamedTuple):
    """Statement and argument rows, executed inside the commit, in order, after the log.

    With `into`, the inbox's table `beside`, there is no statement: `rows` are whole rows of it, each key at most once, and a
    small batch needs no transaction block for them.
    """

    sql: str
    rows: Sequence[Sequence[Any]]
    wakes: str | None = None
    """Kind of job that this makes due, so that its runner need not wait for the next look."""
    into: StateTable | None = None


class Verdict(msgspec.Struct):
    """What a desk answers to a batch: one decision per message, in order, where the inbox decides; none otherwise."""

    decisions: Sequence[Decision] = ()
    writes: Sequence[Write] = ()
    state: Sequence[tuple[Any, ...]] = ()
    """Rows of the inbox's state table, whole, in the order of its columns; each key at most once."""


class Desk(Protocol):
    """Decides for one owned partition and holds its cached state; thrown away whole after any failure."""

    async def decide(self, batch: Sequence[Incoming], earlier: Mapping[UUID, Remembered], db: Database) -> Verdict:
        """Judge a batch in its order. It may read from `db` but must write nothing: all goes into the verdict.

        `earlier` names the commands of the batch whose id was used before for something else.
        """


class Job(NamedTuple):
    """One effect on the outside world, to be had once; `id` is the provider's idempotency key."""

    id: UUID
    kind: str
    payload: bytes
    delay_s: float = 0
    correlation_id: str | None = None
    traceparent: str | None = None


class OutCommand(NamedTuple):
    """A command that a runner sends to a worker's topic when its job is done."""

    topic: str
    aggregate: UUID
    id: UUID
    """The same each time the job is repeated."""
    type: str
    ce_type: str
    schema: str
    data: bytes
    """JSON object."""


def by_aggregate(batch: Iterable[Incoming]) -> dict[UUID, list[Incoming]]:
    """A batch grouped by aggregate, orders kept."""
    groups: dict[UUID, list[Incoming]] = {}
    for incoming in batch:
        groups.setdefault(incoming.aggregate, []).append(incoming)
    return groups
