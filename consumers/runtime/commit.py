"""The one transaction of a batch: move the stored offset if it is still ours, and with it all that was decided."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from consumers.runtime.inbox import StateTable
from consumers.runtime.messages import Database, Write
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


class Commit:
    """Commits the batches of one inbox."""

    def __init__(self, state: StateTable | None) -> None:
        upsert = "" if state is None else _upsert(state)
        swapped = f"WITH swapped AS ({COMPARE_AND_SWAP} RETURNING 1)"
        count = "SELECT count(*) FROM swapped"
        stored = f", stored AS ({upsert.format(rows='$8')})" if state else ""
        self._all = f"{swapped}, appended AS ({APPEND}){stored} {count}"
        stored = f", stored AS ({upsert.format(rows='$7')})" if state else ""
        self._offset_and_state = f"{swapped}{stored} {count}"
        self._has_state = state is not None

    async def run(
        self,
        db: Database,
        step: Step,
        rows: Sequence[LogRow] = (),
        state: Sequence[tuple[Any, ...]] = (),
        writes: Sequence[Write] = (),
    ) -> None:
        """Commit all or nothing; raises Fenced, and whatever Postgres raises."""
        async with db.acquire() as connection:
            if not writes and len(rows) <= SMALL and len(state) <= SMALL:
                swapped = await connection.fetchval(self._all, *step.arguments, rows, *self._rows_of(state))
                _check(swapped)
            else:
                await self._in_transaction(connection, step, rows, state, writes)

    async def _in_transaction(
        self,
        connection: asyncpg.pool.PoolConnectionProxy,
        step: Step,
        rows: Sequence[LogRow],
        state: Sequence[tuple[Any, ...]],
        writes: Sequence[Write],
    ) -> None:
        async with connection.transaction():
            swapped = await connection.fetchval(self._offset_and_state, *step.arguments, *self._rows_of(state))
            _check(swapped)
            if rows:
                await connection.copy_records_to_table("log", records=rows)
            for write in writes:
                await connection.executemany(write.sql, write.rows)

    def _rows_of(self, state: Sequence[tuple[Any, ...]]) -> tuple[Sequence[tuple[Any, ...]], ...]:
        if self._has_state:
            return (state,)
        if state:
            raise ValueError("a desk gave state rows, but its inbox names no state table")
        return ()


def _check(swapped: int) -> None:
    if swapped != 1:
        raise Fenced


def _upsert(state: StateTable) -> str:
    changes = ", ".join(f"{column} = excluded.{column}" for column in state.columns)
    # The names are a worker's own constants, never input.
    return (
        f"INSERT INTO {state.name} SELECT r.* FROM unnest({{rows}}::{state.name}[]) r"  # noqa: S608
        f" WHERE EXISTS (SELECT FROM swapped) ON CONFLICT ({', '.join(state.key)}) DO UPDATE SET {changes}"
    )
