"""What was invalidated: kept in a file, so that a caller's reference stays known after a restart."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.envelope import print_time, time_ms

_TABLE = """
    CREATE TABLE IF NOT EXISTS invalidation (
        id TEXT PRIMARY KEY, reference TEXT NOT NULL UNIQUE, paths TEXT NOT NULL, created TEXT NOT NULL)
"""


class Invalidation(NamedTuple):
    """One batch of paths, under the id that CloudFront gave it and the reference that its caller did."""

    id: str
    reference: str
    paths: list[str]
    created: str


class Conflict(Exception):
    """The reference was used for other paths."""


class Invalidations:
    """Every invalidation ever asked for."""

    def __init__(self, file: Path) -> None:
        """Open the file, or make it."""
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(_TABLE)

    def add(self, reference: str, paths: Sequence[str]) -> Invalidation:
        """A new one, or the one of this reference; raises Conflict when that had other paths."""
        known = self._find("reference", reference)
        if known is not None:
            if known.paths != list(paths):
                raise Conflict(reference)
            return known
        count: int = self._db.execute("SELECT count(*) FROM invalidation").fetchone()[0]
        made = Invalidation(f"I{count + 1:013X}", reference, list(paths), print_time(time_ms()))
        row = (made.id, made.reference, json.dumps(made.paths), made.created)
        self._db.execute("INSERT INTO invalidation (id, reference, paths, created) VALUES (?, ?, ?, ?)", row)
        return made

    def one(self, name: str) -> Invalidation | None:
        """By its id."""
        return self._find("id", name)

    def all(self) -> list[Invalidation]:
        """The latest first."""
        rows = self._db.execute("SELECT id, reference, paths, created FROM invalidation ORDER BY id DESC")
        return [_read(row) for row in rows]

    def _find(self, column: str, value: str) -> Invalidation | None:
        sql = f"SELECT id, reference, paths, created FROM invalidation WHERE {column} = ?"  # noqa: S608 - a column of ours
        row = self._db.execute(sql, (value,)).fetchone()
        return None if row is None else _read(row)


def _read(row: tuple[str, str, str, str]) -> Invalidation:
    return Invalidation(row[0], row[1], json.loads(row[2]), row[3])
