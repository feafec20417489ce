"""What a worker takes from one topic, and the ONE way it subscribes: FastStream's batch subscriber, every safe option set."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from consumers.runtime.messages import Database, Desk, Incoming, StateTable, Write
from producers.publish import Kind, LogRow
from schemas.registry import BY_NAME

Reader = Callable[[bytes], Any]
"""Reads the JSON of an envelope's `data`; any ValueError it raises sends the message to the dead letters."""


SESSION_MS = 6_000
"""The shortest session that brokers take by default."""

NUL = b"\\u0000"
"""How JSON writes U+0000, which Postgres takes in no text."""


class ReadAs:
    """Reads `data` as a msgspec struct; the runtime reads it together with its envelope, in one pass."""

    __slots__ = ("_decode", "refuses_nul", "struct")

    def __init__(self, struct: type[msgspec.Struct], *, refuses_nul: bool) -> None:
        self.struct = struct
        self.refuses_nul = refuses_nul
        self._decode = msgspec.json.Decoder(struct).decode

    def __call__(self, data: bytes) -> Any:
        """The struct; raises ValueError or MsgspecError when `data` is none."""
        if self.refuses_nul and NUL in data:
            raise ValueError("holds the character U+0000, which no text of ours may")
        return self._decode(data)


class Taken(NamedTuple):
    """One type of message that an inbox takes."""

    ce_type: str
    read: Reader


def takes(*names: str, **readers: Reader) -> dict[str, Taken]:
    """Types of message by name; `data` is read by the registry's pydantic model, or by a reader of one's own.

    The cheapest reader is ReadAs.
    """
    models: dict[str, Reader] = {name: BY_NAME[name].model.model_validate_json for name in names}
    return {name: Taken(BY_NAME[name].ce_type, read) for name, read in {**models, **readers}.items()}


def emits(*names: str) -> dict[str, Kind]:
    """Types of event that an inbox tells, by name, as the registry knows them."""
    return {name: Kind(BY_NAME[name].ce_type, BY_NAME[name].schema) for name in names}


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """One topic as one consumer group takes it.

    An inbox of commands decides: one decision per message, a log row each, events and replies. An inbox of events
    learns: writes or an idempotent `apply`, nothing told; types that it does not name are passed over.
    """

    topic: str
    group: str
    takes: Mapping[str, Taken]
    make_desk: Callable[[int], Desk] | None = None
    """Makes the desk of one partition; it starts without any state."""
    apply: Callable[[Sequence[Incoming], Database], Awaitable[Sequence[Write]]] | None = None
    """Instead of a desk: an idempotent effect (a view in Redis), had before the offset moves; returns what to write."""
    commands: bool = True
    events_topic: str | None = None
    emits: Mapping[str, Kind] = field(default_factory=dict)
    state: StateTable | None = None
    beside: StateTable | None = None
    """A second table, whose rows (`Write(into=)`) are upserted by the statement that commits the rest."""
    prepare: Callable[[Sequence[Incoming]], Awaitable[None]] | None = None
    """Slow work without effects (hashing a password): sets `incoming.prepared`, once, however often it is decided."""
    after_commit: Callable[[Sequence[LogRow]], Awaitable[None]] | None = None
    """An idempotent effect of committed rows, had before they are told, and again at each takeover that finds them untold."""
    batch: int = 500
    """The most messages of one transaction."""
    session_ms: int = SESSION_MS
    """How long a dead process keeps its partitions, unless it comes back."""

    def __post_init__(self) -> None:
        if (self.make_desk is None) == (self.apply is None):
            raise ValueError(f"inbox {self.topic}: give either make_desk or apply")
        if self.commands and self.make_desk is None:
            raise ValueError(f"inbox {self.topic}: commands need a desk that decides them")
