"""Everything the stand-in knows: objects in memory, written to a file with each request so that they outlive a restart."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

_SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS object (
        id TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS remembered (
        key TEXT PRIMARY KEY,
        at INTEGER NOT NULL,
        request TEXT NOT NULL,
        status INTEGER NOT NULL,
        body TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_KEEP = "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?)"
_ALL = "SELECT number, kind, owner, body FROM object ORDER BY number"
_REMEMBER = "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?, ?)"
_EMPTY = ("DELETE FROM object", "DELETE FROM remembered", "DELETE FROM setting")
_FORGET = "DELETE FROM remembered WHERE at < ?"

PLATFORM = "platform"
"""Owner of what is not a connected account's."""
KEY_LIFE_S = 86_400
"""So long an idempotency key is remembered (API reference, Idempotent requests)."""

Body = dict[str, Any]


class Store:
    """Objects by kind and id, in the order in which they were made."""

    def __init__(self, file: Path | str) -> None:
        """Open or make the file; `:memory:` keeps nothing."""
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._of_kind: dict[str, dict[str, Body]] = {}
        self._number: dict[str, int] = {}
        self._owner: dict[str, str] = {}
        self._kind: dict[str, str] = {}
        self._changed: dict[str, None] = {}
        self._answers: list[tuple[str, int, str, int, str]] = []
        self._next = 1
        for number, kind, owner, body in self._db.execute(_ALL):
            self._hold(msgspec.json.decode(body), kind, owner, number)
            self._next = number + 1

    def _hold(self, body: Body, kind: str, owner: str, number: int) -> None:
        object_id = body["id"]
        self._of_kind.setdefault(kind, {})[object_id] = body
        self._number[object_id], self._owner[object_id], self._kind[object_id] = number, owner, kind

    def add(self, kind: str, body: Body, *, owner: str = PLATFORM) -> Body:
        """Keep a new object."""
        self._hold(body, kind, owner, self._next)
        self._next += 1
        return self.change(body)

    def change(self, body: Body) -> Body:
        """Keep an object as it is now."""
        self._changed[body["id"]] = None
        return body

    def get(self, kind: str, object_id: str, *, owner: str | None = None) -> Body | None:
        """The object of that kind and id, of that owner if one is given."""
        body = self._of_kind.get(kind, {}).get(object_id)
        return body if body is not None and owner in (None, self._owner[object_id]) else None

    def any(self, object_id: str) -> Body | None:
        """The object of that id, whatever it is."""
        kind = self._kind.get(object_id)
        return None if kind is None else self._of_kind[kind][object_id]

    def owner(self, object_id: str) -> str:
        """Whose it is."""
        return self._owner[object_id]

    def number(self, object_id: str) -> int:
        """Its place in the order of making."""
        return self._number[object_id]

    def newest(self, kind: str, *, owner: str | None = None) -> Iterator[Body]:
        """Objects of a kind, the newest first."""
        for object_id, body in reversed(self._of_kind.get(kind, {}).items()):
            if owner in (None, self._owner[object_id]):
                yield body

    def save(self) -> None:
        """Write what changed and what is to be remembered since the last time, all or nothing."""
        if not self._changed and not self._answers:
            return
        rows = []
        for object_id in self._changed:
            kind = self._kind[object_id]
            body = msgspec.json.encode(self._of_kind[kind][object_id])
            rows.append((object_id, self._number[object_id], kind, self._owner[object_id], body))
        answers = self._answers
        self._changed, self._answers = {}, []

        def write() -> None:
            self._db.executemany(_KEEP, rows)
            self._db.executemany(_REMEMBER, answers)
            if answers:
                self._db.execute(_FORGET, (answers[-1][1] - KEY_LIFE_S,))

        self._in_one(write)

    def remember(self, key: str, request: str, status: int, body: str, *, at: int) -> None:
        """Keep the answer to a request under its idempotency key; those of a day ago are forgotten."""
        self._answers.append((key, at, request, status, body))

    def remembered(self, key: str, *, at: int) -> tuple[str, int, str] | None:
        """Request, status and body of the first answer under a key that is not older than a day."""
        row: tuple[str, int, str] | None = self._db.execute(
            "SELECT request, status, body FROM remembered WHERE key = ? AND at >= ?", (key, at - KEY_LIFE_S)
        ).fetchone()
        return row

    def setting(self, name: str, default: int) -> int:
        """A number of the stand-in's own."""
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return default if row is None else int(row[0])

    def set(self, name: str, value: int) -> None:
        """Keep a number of the stand-in's own."""
        self._db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, str(value)))

    def empty(self, *, but: frozenset[str] = frozenset()) -> None:
        """Forget everything except objects of the kinds `but`."""
        kept = [
            (body, kind, self._owner[i], self._number[i])
            for kind in but
            for i, body in self._of_kind.get(kind, {}).items()
        ]
        for known in (self._of_kind, self._number, self._owner, self._kind, self._changed, self._answers):
            known.clear()
        self._in_one(lambda: [self._db.execute(text) for text in _EMPTY])
        for body, kind, owner, number in kept:
            self._hold(body, kind, owner, number)
            self.change(body)
        self.save()

    def _in_one(self, work: Callable[[], object]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            work()

    def close(self) -> None:
        """Close the file."""
        self._db.close()
