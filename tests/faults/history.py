"""What a run left behind, and everything that is wrong with it, in words; nothing is wrong when the list is empty.

Looked at from outside: what askers were told, the log, the topics, the views and the sockets must agree with each other and
with section 13 of the auction rules. Nothing here asks the code that decided.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID, uuid5

Json = dict[str, Any]


class Record(NamedTuple):
    """One record of a topic."""

    partition: int
    offset: int
    at_ms: int
    key: str
    value: bytes
    headers: Mapping[str, bytes]

    @property
    def place(self) -> tuple[int, int]:
        return self.partition, self.offset


class Row(NamedTuple):
    """One row of `bids.log`."""

    partition: int
    src_offset: int
    aggregate: str
    first_seq: int | None
    last_seq: int | None
    command_id: str
    command_type: str
    actor: str | None
    fingerprint: bytes | None
    at_ms: int
    reply: bytes
    events: Sequence[bytes]
    facts: bytes | None

    @property
    def place(self) -> tuple[int, int]:
        return self.partition, self.src_offset


class Answer(NamedTuple):
    """What somebody was told who asked command `command_id` with this data; amounts in `fields` are Decimals.

    An answer from the edge names bidders by their pseudonyms, one from a worker by their ids.
    """

    command_id: str
    data: Json
    outcome: str
    code: str
    fields: Json
    from_edge: bool = False


@dataclass
class Watched:
    """What one socket was told of one auction, frames in their order; a new connection appends to it."""

    who: str
    auction_id: str
    frames: list[Json] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass
class History:
    """All that a run left behind; gathered in the order topics, log, views, so that what is told must be logged."""

    commands: list[Record] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    dead: set[tuple[int, int]] = field(default_factory=set)
    """Places of commands that lie on the dead-letter topic."""
    rows: list[Row] = field(default_factory=list)
    """In the order of the topic."""
    next_offsets: dict[int, int] = field(default_factory=dict)
    """Per partition of the commands: all before it is decided."""
    auctions: dict[str, Json] = field(default_factory=dict)
    """Rows of `bids.auction`."""
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Redis: `auction:<id>`."""
    bids: dict[str, dict[str, float]] = field(default_factory=dict)
    """Redis: `bids:<id>`."""
    answers: list[Answer] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    """Commands whose askers still waited at the end."""
    watched: list[Watched] = field(default_factory=list)
    pseudonym_key: bytes = b""
    at_ms: int = 0
    """When it was gathered."""
    has_views: bool = True
    """Whether a worker kept the views in Redis."""

    @cached_property
    def log(self) -> dict[str, list[Row]]:
        """The rows that have events, by auction, in their order."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            if row.events:
                found[row.aggregate].append(row)
        return dict(found)

    @cached_property
    def command_at(self) -> dict[tuple[int, int], Record]:
        return {record.place: record for record in self.commands}


def violations(history: History, *, settled: bool = True) -> list[str]:
    """All that is wrong with bids; not `settled` asks only what must hold at any moment, not that all was done by now."""
    from tests.faults import rules, shown, watched

    found = [*kept_wrongly(history, settled=settled), *rules.wrong(history, settled=settled)]
    if settled:
        found += [*shown.wrong(history), *watched.wrong(history)]
    return found


def kept_wrongly(history: History, *, settled: bool = True) -> list[str]:
    """What is wrong with the commands, the log and the events of any worker that decides."""
    from tests.faults import once, told

    return [*once.wrong(history, settled=settled), *told.wrong(history, settled=settled)]


def read(value: bytes | str) -> Json:
    """JSON with every fraction exact."""
    found: Json = json.loads(value, parse_float=Decimal)
    return found


def minor(amount: object) -> int | None:
    """Minor units of an amount as `read` gives it; None for what is no amount of whole minor units."""
    if type(amount) is int:
        return amount * 100
    if isinstance(amount, Decimal) and amount * 100 == int(amount * 100):
        return int(amount * 100)
    return None


def data_of(record: Record) -> Json:
    """What was asked; what is null or false is as good as absent."""
    return stated(read(record.value)["data"])


def stated(data: Json) -> Json:
    return {name: value for name, value in data.items() if value is not None and value is not False}


def id_of_conflict(command_id: str, fingerprint: bytes | None) -> str:
    """Under which id a command is logged whose own id stands for another request."""
    return str(uuid5(UUID(command_id), fingerprint.hex() if fingerprint else ""))


def by_id(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Commands by their id, as far as they can be read."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        name = id_of(record)
        if name is not None:
            found[name].append(record)
    return dict(found)


def id_of(record: Record) -> str | None:
    """The command's id, None for a record that is no command."""
    try:
        return str(UUID(str(json.loads(record.value)["commandId"])))
    except (ValueError, TypeError, KeyError):
        return None


def fingerprint_of(record: Record) -> bytes | None:
    text = record.headers.get("fingerprint")
    return None if text is None else bytes.fromhex(text.decode())
