"""What indexing keeps and reads in PostgreSQL."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from consumers.indexing.mapping import Kind
from consumers.runtime import Database, Write

STATES = """
    SELECT id, state FROM document WHERE kind = $1 AND id = ANY($2)
"""


async def states(db: Database, kind: Kind, ids: Collection[UUID]) -> dict[UUID, bytes]:
    """The stored states; what was never heard of is absent."""
    return {row[0]: row[1] for row in await db.fetch(STATES, kind, list(ids))}


class Known(NamedTuple):
    """A state to be kept, and the event that last changed it."""

    id: UUID
    seller_id: UUID | None
    state: bytes
    version: int
    src_partition: int
    src_offset: int


_ROWS = "unnest($2::uuid[], $3::uuid[], $4::bytea[], $5::bigint[], $6::int[], $7::bigint[])"

KEEP = f"""
    INSERT INTO document AS d (kind, id, seller_id, state, version, src_partition, src_offset)
    SELECT $1, r.* FROM {_ROWS} r
        ON CONFLICT (kind, id) DO UPDATE
       SET seller_id = excluded.seller_id, state = excluded.state, version = excluded.version,
           src_partition = excluded.src_partition, src_offset = excluded.src_offset
"""  # noqa: S608 - names of ours

# One that was written lately waits until its window is over; one that waits for something later than that (its start) does not.
MARK = """
    INSERT INTO due AS d (kind, id, at) SELECT $1, id, now() FROM unnest($2::uuid[]) id
        ON CONFLICT (kind, id) DO UPDATE
       SET marks = d.marks + 1, refused = NULL,
           at = least(d.at, greatest(now(), d.written_at + $3 * interval '1 millisecond'))
"""


def keep(kind: Kind, known: Sequence[Known], *, window_ms: int) -> list[Write]:
    """The writes that keep states and have their documents written, each at most once in `window_ms`."""
    if not known:
        return []
    columns = _columns(known)
    return [Write(KEEP, [(kind, *columns)]), Write(MARK, [(kind, columns[0], window_ms)])]


def _columns(known: Sequence[Known]) -> list[list[object]]:
    # In one order everywhere, so that no two transactions wait for each other.
    return [list(column) for column in zip(*sorted(known), strict=True)]


KEEP_AT_LEAST = f"""
    INSERT INTO document AS d (kind, id, seller_id, state, version, src_partition, src_offset)
    SELECT $1, r.* FROM {_ROWS} r
        ON CONFLICT (kind, id) DO UPDATE
       SET seller_id = excluded.seller_id, state = excluded.state, version = excluded.version
     WHERE d.version <= excluded.version
"""  # noqa: S608


async def keep_at_least(db: Database, kind: Kind, known: Sequence[Known]) -> None:
    """Keep states folded from the beginning, unless the worker knows more by now; nothing becomes due by it."""
    await db.execute(KEEP_AT_LEAST, kind, *_columns(known))


# Losing a claim or its end in a crash costs one more write, so nobody waits for the disk.
_NOT_DURABLE = "(SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL"

CLAIM = f"""
    UPDATE due d SET leased_until = now() + $2 * interval '1 second'
      FROM (SELECT kind, id FROM due
             WHERE at <= now() AND (leased_until IS NULL OR leased_until <= now())
             ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED) next
     WHERE d.kind = next.kind AND d.id = next.id AND {_NOT_DURABLE}
    RETURNING d.kind, d.id, d.marks, now() AS claimed_at
"""  # noqa: S608


class Claimed(NamedTuple):
    """A document that this process writes now; `marks` says what it was asked for up to then."""

    kind: Kind
    id: UUID
    marks: int
    claimed_at: datetime


async def claim(db: Database, most: int, *, lease_s: float) -> list[Claimed]:
    """Documents that are due, those that waited longest first; whoever dies with them leaves them after `lease_s`."""
    return [Claimed(*row) for row in await db.fetch(CLAIM, most, lease_s)]


# Read after the claim, never by it: the marks that the claim saw came after the facts that they stand for.
READ = """
    SELECT d.kind, d.id, d.state, s.state AS seller
      FROM unnest($1::text[], $2::uuid[]) AS asked (kind, id)
      JOIN document d ON d.kind = asked.kind AND d.id = asked.id
      LEFT JOIN document s ON s.kind = 'users' AND s.id = d.seller_id
"""


class Facts(NamedTuple):
    """All that a document is made of."""

    kind: Kind
    id: UUID
    state: bytes
    seller: bytes | None


async def read(db: Database, kinds: Sequence[str], ids: Sequence[UUID]) -> list[Facts]:
    """The facts behind documents, as one moment knows them."""
    return [Facts(*row) for row in await db.fetch(READ, list(kinds), list(ids))]


_LOCKED = """
    WITH ended AS (SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::timestamptz[]) AS e (kind, id, marks, again)),
         locked AS (SELECT d.kind, d.id, e.marks AS seen, e.again FROM due d JOIN ended e USING (kind, id)
                     ORDER BY d.kind, d.id FOR UPDATE OF d)
"""

DONE = f"""
    {_LOCKED}
    UPDATE due d
       SET written_at = $5::timestamptz, leased_until = NULL,
           at = CASE WHEN d.marks = l.seen THEN l.again
                     ELSE greatest(now(), $5::timestamptz + $6 * interval '1 millisecond') END
      FROM locked l WHERE d.kind = l.kind AND d.id = l.id AND {_NOT_DURABLE}
"""  # noqa: S608


async def done(
    db: Database, written: Sequence[Claimed], again_at: Sequence[datetime | None], *, window_ms: int
) -> None:
    """Documents stand in the index; those that changed meanwhile are due when their window is over.

    `again_at` is when time alone changes each.
    """
    if written:
        kinds, ids, marks = [list(column) for column in zip(*(one[:3] for one in written), strict=True)]
        await db.execute(DONE, kinds, ids, marks, list(again_at), written[0].claimed_at, window_ms)


LATER = f"""
    {_LOCKED}
    UPDATE due d SET at = l.again, leased_until = NULL FROM locked l WHERE d.kind = l.kind AND d.id = l.id
"""  # noqa: S608


async def later(db: Database, claimed: Sequence[Claimed], at: datetime) -> None:
    """Documents that could not be written now are due at another time."""
    if claimed:
        kinds, ids, marks = [list(column) for column in zip(*(one[:3] for one in claimed), strict=True)]
        await db.execute(LATER, kinds, ids, marks, [at] * len(ids))


REFUSED = """
    UPDATE due SET refused = $4, leased_until = NULL, at = CASE WHEN marks = $3 THEN NULL ELSE now() END
     WHERE kind = $1 AND id = $2
"""

SOURCE = """
    SELECT src_partition, src_offset FROM document WHERE kind = $1 AND id = $2
"""


async def source(db: Database, kind: Kind, document_id: UUID) -> tuple[int, int]:
    """Partition and offset of the event that last changed a document."""
    row = await db.fetchrow(SOURCE, kind, document_id)
    assert row is not None
    return row[0], row[1]


async def refused(db: Database, claimed: Claimed, reason: str) -> None:
    """The index will never take this document as it is; it waits until something about it changes."""
    await db.execute(REFUSED, claimed.kind, claimed.id, claimed.marks, reason)


SELLERS_CHANGED = f"""
    WITH locked AS (SELECT u.kind, u.id FROM document d JOIN due u USING (kind, id)
                     WHERE d.seller_id = ANY($1) ORDER BY u.kind, u.id FOR UPDATE OF u),
         placed AS (SELECT kind, id, row_number() OVER () AS place FROM locked)
    UPDATE due d SET marks = d.marks + 1, at = least(d.at, now() + p.place * interval '1 second' / $2)
      FROM placed p WHERE d.kind = p.kind AND d.id = p.id AND {_NOT_DURABLE}
"""  # noqa: S608


async def sellers_changed(db: Database, seller_ids: Sequence[UUID], *, per_s: int) -> None:
    """What these people sell is to be written anew, so many a second: what others do meanwhile waits for none of it."""
    await db.execute(SELLERS_CHANGED, list(seller_ids), per_s)


HIDE = """
    INSERT INTO hidden (user_id) SELECT unnest($1::uuid[]) ON CONFLICT (user_id) DO NOTHING
"""


def hide(people: Collection[UUID]) -> list[Write]:
    """The writes by which searches leave these people and what they sell out."""
    return [Write(HIDE, [(sorted(people),)])] if people else []


SHOW = """
    DELETE FROM hidden WHERE user_id = ANY($1)
"""


def show(people: Collection[UUID]) -> list[Write]:
    """The writes by which searches no longer leave these people out."""
    return [Write(SHOW, [(sorted(people),)])] if people else []


HIDDEN_IN_THE_INDEX = """
    DELETE FROM hidden h
     WHERE since < now() - $1 * interval '1 second'
       AND NOT EXISTS (SELECT FROM due WHERE kind = 'users' AND id = h.user_id AND at IS NOT NULL)
       AND NOT EXISTS (SELECT FROM document d JOIN due u USING (kind, id)
                        WHERE d.seller_id = h.user_id AND u.at IS NOT NULL)
"""


async def forget_hidden(db: Database, *, after_s: float) -> None:
    """Searches need no longer leave out whom the index hides, with all that they sell, for so long."""
    await db.execute(HIDDEN_IN_THE_INDEX, after_s)


FOUNDING = """
    SELECT pg_advisory_xact_lock(hashtextextended('indexing: who makes an index', 0))
"""


@asynccontextmanager
async def founding(db: Database) -> AsyncIterator[None]:
    """While the block lasts no other process looks whether an index is missing, and makes it."""
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(FOUNDING)
        yield


ALL_DUE = """
    INSERT INTO due AS d (kind, id, at) SELECT kind, id, now() FROM document WHERE kind = $1 ORDER BY id
        ON CONFLICT (kind, id) DO UPDATE SET marks = d.marks + 1, at = now()
"""


async def all_due(db: Database, kind: Kind) -> None:
    """Everything of a kind is to be written: its index is new and empty."""
    await db.execute(ALL_DUE, kind, timeout=600)


FILLING = """
    SELECT kind, index_name FROM filling
"""


async def filling(db: Database) -> dict[Kind, str]:
    """Indices that a rebuild fills; read after a claim, so that what is known later goes there too."""
    return {row[0]: row[1] for row in await db.fetch(FILLING)}


BACKLOG = """
    SELECT count(*) AS due, coalesce(extract(epoch FROM now() - min(at)), 0)::float AS oldest_s
      FROM due WHERE at <= now()
"""


async def backlog(db: Database) -> tuple[int, float]:
    """How many documents wait to be written, and the longest wait in seconds."""
    row = await db.fetchrow(BACKLOG)
    assert row is not None
    return row["due"], max(0.0, row["oldest_s"])


FILL = """
    INSERT INTO filling (kind, index_name) VALUES ($1, $2)
"""


async def fill(db: Database, kind: Kind, name: str) -> None:
    """From now on the workers write to this index, too."""
    await db.execute(FILL, kind, name)


FILLED = """
    WITH forgotten AS (DELETE FROM replayed WHERE index_name = $2) DELETE FROM filling WHERE kind = $1
"""


async def filled(db: Database, kind: Kind, name: str) -> None:
    """The index is searched now, or given up: nothing but what the alias leads to is written to."""
    await db.execute(FILLED, kind, name)


REPLAYED = """
    SELECT partition FROM replayed WHERE index_name = $1
"""


async def replayed(db: Database, name: str) -> set[int]:
    """Partitions that an interrupted rebuild of this index has replayed."""
    return {row[0] for row in await db.fetch(REPLAYED, name)}


REMEMBER_REPLAYED = """
    INSERT INTO replayed (index_name, partition) VALUES ($1, $2)
"""


async def remember_replayed(db: Database, name: str, partition: int) -> None:
    """A partition need not be replayed again for this index."""
    await db.execute(REMEMBER_REPLAYED, name, partition)


IDS_AFTER = """
    SELECT id FROM document WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3
"""


async def ids_after(db: Database, kind: Kind, last: UUID, most: int) -> list[UUID]:
    """The next ids of a kind, in their order."""
    return [row[0] for row in await db.fetch(IDS_AFTER, kind, last, most)]


COUNT = """
    SELECT count(*) FROM document WHERE kind = $1
"""


async def count(db: Database, kind: Kind) -> int:
    """How many auctions or people are known."""
    found: int = await db.fetchval(COUNT, kind)
    return found
