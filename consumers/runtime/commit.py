"""The one transaction of a batch: move the stored offset if it is still ours, and with it all that was decided."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from consumers.runtime.messages import Database, StateTable, Write
from producers.publish import LogRow

SMALL = 50
"""Rows up to which one statement beats BEGIN .. COPY .. COMMIT (RUNTIME 3.3: the lines cross between 50 and 200)."""

COMPARE_AND_SWAP = """
    UPDATE offsets SET next_offset = $1, published = $2
     WHERE topic = $3 AND partition = $4 AND next_offset = $5 AND epoch = $6
"""

APPEND = """
    INSERT INTO log SELECT r.* FROM unnest($7::log[]) r WHERE EXISTS (SELECT FROM swapped)
"""

Rows = Sequence[Sequence[Any]]


class Fenced(Exception):
    """The offset is no longer ours to move: another process took the partition over, or this one is a zombie."""


class Step(NamedTuple):
    """From where to where a commit moves a partition's offset."""

    topic: str
    partition: int
    expected: int
    next_offset: int
    published: int
    epoch: int

    @property
    def arguments(self) -> tuple[int, int, str, int, int, int]:
        """In the order of COMPARE_AND_SWAP's parameters."""
        return (self.next_offset, self.published, self.topic, self.partition, self.expected, self.epoch)


class _State(NamedTuple):
    """Rows of the tables that are upserted whole: the inbox's state, and the one beside it."""

    own: Rows
    beside: Rows

    @property
    def is_small(self) -> bool:
        """Whether one statement may carry them."""
        return len(self.own) <= SMALL and len(self.beside) <= SMALL


class Commit:
    """Commits the batches of one inbox."""

    def __init__(self, state: StateTable | None, beside: StateTable | None = None) -> None:
        self._own, self._beside = state, beside
        swapped = f"WITH swapped AS ({COMPARE_AND_SWAP} RETURNING 1)"
        count = "SELECT count(*) FROM swapped"
        self._all = f"{swapped}, appended AS ({APPEND}){self._stored(first=8)} {count}"
        self._offset_and_state = f"{swapped}{self._stored(first=7)} {count}"

    async def run(
        self,
        db: Database,
        step: Step,
        rows: Sequence[LogRow] = (),
        own: Rows = (),
        writes: Sequence[Write] = (),
    ) -> None:
        """Commit all or nothing; raises Fenced, and whatever Postgres raises."""
        state, writes = self._sorted(own, writes)
        async with db.acquire() as connection:
            if not writes and len(rows) <= SMALL and state.is_small:
                swapped = await connection.fetchval(self._all, *step.arguments, rows, *self._rows_of(state))
                _check(swapped)
            else:
                await self._in_transaction(connection, step, rows, state, writes)

    async def _in_transaction(
        self,
        connection: asyncpg.pool.PoolConnectionProxy,
        step: Step,
        rows: Sequence[LogRow],
        state: _State,
        writes: Sequence[Write],
    ) -> None:
        async with connection.transaction():
            swapped = await connection.fetchval(self._offset_and_state, *step.arguments, *self._rows_of(state))
            _check(swapped)
            if rows:
                await connection.copy_records_to_table("log", records=rows)
            for write in writes:
                await connection.executemany(write.sql, write.rows)

    def _sorted(self, own: Rows, writes: Sequence[Write]) -> tuple[_State, list[Write]]:
        if own and self._own is None:
            raise ValueError("a desk gave state rows, but its inbox names no state table")
        beside: Rows = ()
        others = []
        for write in writes:
            if write.into is None:
                others.append(write)
            elif write.into is self._beside and not beside:
                beside = write.rows
            else:
                raise ValueError(f"rows for {write.into.name}: not the inbox's table beside its state, or given twice")
        return _State(own, beside), others

    def _rows_of(self, state: _State) -> list[Rows]:
        return [rows for table, rows in zip((self._own, self._beside), state, strict=True) if table is not None]

    def _stored(self, *, first: int) -> str:
        tables = [table for table in (self._own, self._beside) if table is not None]
        return "".join(
            f", {name} AS ({_upsert(table, parameter)})"
            for name, (parameter, table) in zip(("stored", "stored_beside"), enumerate(tables, first), strict=False)
        )


def _check(swapped: int) -> None:
    if swapped != 1:
        raise Fenced


def _upsert(table: StateTable, parameter: int) -> str:
    changes = ", ".join(f"{column} = excluded.{column}" for column in table.columns)
    # The names are a worker's own constants, never input. An array of rows costs the client a quarter less than one array
    # per column, and Postgres the same.
    return (
        f"INSERT INTO {table.name} SELECT r.* FROM unnest(${parameter}::{table.name}[]) r"  # noqa: S608
        f" WHERE EXISTS (SELECT FROM swapped) ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes}"
    )
