"""`marketplace payments verify`: folds the log of every order and person, and holds it against tables and ledger.

For operators and for the tests of faults. Each difference is a line; none means that all agree.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from compose.settings import Settings
from consumers.payments import evolve, ledger, person
from consumers.payments.ledger import Entry
from consumers.payments.order import Order, Told
from consumers.payments.person import Person
from schemas.envelope import Wire, event_id_of
from schemas.registry import MESSAGES

PAGE: Final = 500
_MODELS: Final[dict[str, Any]] = {one.name: one.model for one in MESSAGES if one.topic == "payment-events"}

ORDERS_AFTER = """
    SELECT id, state FROM orders WHERE id > $1 ORDER BY id LIMIT $2
"""
PEOPLE_AFTER = """
    SELECT id, state FROM person WHERE id > $1 ORDER BY id LIMIT $2
"""
HISTORIES = """
    SELECT aggregate, at_ms, first_seq, last_seq, events, facts
      FROM log WHERE aggregate = ANY($1) AND first_seq IS NOT NULL ORDER BY aggregate, first_seq
"""
ENTRIES = """
    SELECT e.entry_id, e.kind, e.order_id, e.currency, e.ref,
           array_agg(p.account ORDER BY p.place) AS accounts, array_agg(p.amount ORDER BY p.place) AS amounts,
           array_agg(p.owner ORDER BY p.place) AS owners
      FROM ledger_entry e JOIN ledger_posting p USING (entry_id) WHERE e.order_id = ANY($1) GROUP BY e.entry_id
"""
STRAY = """
    SELECT 'log' AS place, aggregate AS id FROM log
     WHERE first_seq IS NOT NULL AND NOT EXISTS (SELECT FROM orders WHERE id = aggregate)
       AND NOT EXISTS (SELECT FROM person WHERE id = aggregate)
    UNION SELECT 'ledger', order_id FROM ledger_entry WHERE NOT EXISTS (SELECT FROM orders WHERE id = order_id)
"""
UNBALANCED = """
    SELECT entry_id FROM ledger_entry LEFT JOIN ledger_posting USING (entry_id)
     GROUP BY entry_id HAVING coalesce(sum(amount), 1) <> 0
"""


async def verify(settings: Settings, *, report: Callable[[str], None] = print) -> int:
    """Compare everything and return how many differences there are; safe beside running workers."""
    db = await asyncpg.connect(settings.database_url("cli"), server_settings={"search_path": "payments"})
    try:
        # One snapshot: what is committed meanwhile is not half seen.
        async with db.transaction(isolation="repeatable_read", readonly=True):
            found = [line async for line in differences(db)]
    finally:
        await db.close()
    for line in found:
        report(line)
    return len(found)


async def differences(db: asyncpg.Connection) -> AsyncIterator[str]:
    """Each difference between the log and what was made of it."""
    for row in await db.fetch(STRAY):
        yield f"{row['id']}: in the {row['place']}, but no order or person"
    for row in await db.fetch(UNBALANCED):
        yield f"{row['entry_id']}: a ledger entry that does not balance"
    async for ids, states, histories in _pages(db, ORDERS_AFTER):
        booked = await _booked(db, ids)
        for id_ in ids:
            for line in _order(histories.get(id_, []), states[id_], booked.get(id_, set())):
                yield f"{id_}: {line}"
    async for ids, states, histories in _pages(db, PEOPLE_AFTER):
        for id_ in ids:
            for line in _person(id_, histories.get(id_, []), states[id_]):
                yield f"{id_}: {line}"


async def _pages(
    db: asyncpg.Connection, sql: str
) -> AsyncIterator[tuple[list[UUID], dict[UUID, str], dict[UUID, list[asyncpg.Record]]]]:
    last = UUID(int=0)
    while rows := await db.fetch(sql, last, PAGE):
        ids = [row["id"] for row in rows]
        histories: dict[UUID, list[asyncpg.Record]] = {}
        for row in await db.fetch(HISTORIES, ids):
            histories.setdefault(row["aggregate"], []).append(row)
        yield ids, {row["id"]: row["state"] for row in rows}, histories
        last = ids[-1]


def _order(history: list[asyncpg.Record], state: str, booked: set[Entry]) -> Iterator[str]:
    yield from _gaps(history)
    now: Order | None = None
    entries: set[Entry] = set()
    for told, at_ms in _told(history):
        before, now = now, evolve.evolve(now, told, at_ms)
        entries |= set(ledger.entries_of(before, now, told, event_id_of(now.id, now.sequence)))
    if now != msgspec.json.decode(state, type=Order):
        yield "not what its log says"
    for entry in entries - booked:
        yield f"the ledger lacks {entry.kind} {entry.ref}"
    for entry in booked - entries:
        yield f"the ledger has {entry.kind} {entry.ref}, of which the log knows nothing"


def _person(id_: UUID, history: list[asyncpg.Record], state: str) -> Iterator[str]:
    yield from _gaps(history)
    now = Person(id=id_)
    for told, _ in _told(history):
        now = person.evolve(now, told)
    if now != msgspec.json.decode(state, type=Person):
        yield "not what its log says"


def _gaps(history: list[asyncpg.Record]) -> Iterator[str]:
    last = 0
    for row in history:
        if row["first_seq"] != last + 1 or row["last_seq"] - row["first_seq"] + 1 != len(row["events"]):
            yield f"a gap or an overlap after event {last}"
        last = row["last_seq"]


def _told(history: list[asyncpg.Record]) -> Iterator[tuple[Told, int]]:
    for row in history:
        kept = [{}] * len(row["events"]) if row["facts"] is None else msgspec.json.decode(row["facts"])
        for value, secret in zip(row["events"], kept, strict=True):
            yield Told(_event(value), secret), row["at_ms"]


def _event(value: bytes) -> Wire:
    said = msgspec.json.decode(value)
    event: Wire = _MODELS[said["eventType"]].model_validate(said["data"])
    return event


async def _booked(db: asyncpg.Connection, ids: list[UUID]) -> dict[UUID, set[Entry]]:
    booked: dict[UUID, set[Entry]] = {}
    for row in await db.fetch(ENTRIES, ids):
        sides = zip(row["accounts"], row["amounts"], row["owners"], strict=True)
        postings = tuple(ledger.Posting(account, amount, owner) for account, amount, owner in sides)
        entry = Entry(row["entry_id"], row["kind"], row["order_id"], row["currency"], row["ref"], postings)
        booked.setdefault(entry.order_id, set()).add(entry)
    return booked
