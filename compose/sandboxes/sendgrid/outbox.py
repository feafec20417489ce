"""The mail that was sent, kept in a file so that it outlives a restart."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from schemas.envelope import print_time

LISTED_MAX = 500

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        job_id TEXT,
        letter TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS message_of_job ON message (job_id);
    CREATE TABLE IF NOT EXISTS recipient (
        address TEXT NOT NULL,
        message INTEGER NOT NULL REFERENCES message,
        PRIMARY KEY (address, message)
    ) WITHOUT ROWID;
    CREATE VIEW IF NOT EXISTS shown AS
        SELECT id, message_id, at_ms, letter,
               (SELECT min(first.id) FROM message AS first WHERE first.job_id = message.job_id) AS first
          FROM message;
"""
_KEEP = "INSERT INTO message (message_id, at_ms, job_id, letter) VALUES (?, ?, ?, ?)"
_ADDRESS = "INSERT OR IGNORE INTO recipient VALUES (?, ?)"
_NEWEST = "SELECT * FROM shown ORDER BY id DESC LIMIT ?"
_NEWEST_TO = """
    SELECT * FROM shown WHERE id IN (SELECT message FROM recipient WHERE address = ?) ORDER BY id DESC LIMIT ?
"""
_ONE = "SELECT * FROM shown WHERE id = ?"

Letter = dict[str, Any]
"""One message as the sandbox API shows it: id, message_id, at, from, to, cc, bcc, subject, text, html, headers,
custom_args, categories, send_at, tracking_settings, repeat_of (id of the first message with the same `custom_args.job_id`, or null)."""


class Outbox:
    """Sent messages, one per personalization."""

    def __init__(self, file: Path | str) -> None:
        """Open or make the file; `:memory:` keeps nothing."""
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)

    def keep(self, mail: dict[str, Any], *, message_id: str, at_ms: int) -> None:
        """Store what one accepted request sends: a message per personalization."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            for entry in mail["personalizations"]:
                letter = _letter(mail, entry)
                job_id = letter["custom_args"].get("job_id")
                cursor = self._db.execute(_KEEP, (message_id, at_ms, job_id, json.dumps(letter)))
                people = [person["email"] for kind in ("to", "cc", "bcc") for person in letter[kind]]
                self._db.executemany(_ADDRESS, [(address.lower(), cursor.lastrowid) for address in people])

    def listed(self, *, to: str | None = None, limit: int = LISTED_MAX) -> list[Letter]:
        """Messages, newest first; only those to one address when `to` is given, in any case."""
        if to is None:
            rows = self._db.execute(_NEWEST, (limit,))
        else:
            rows = self._db.execute(_NEWEST_TO, (to.strip().lower(), limit))
        return [_shown(*row) for row in rows]

    def one(self, number: int) -> Letter | None:
        """The message of that id."""
        row = self._db.execute(_ONE, (number,)).fetchone()
        return None if row is None else _shown(*row)

    def empty(self) -> None:
        """Forget all messages; ids go on counting."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.execute("DELETE FROM recipient")
            self._db.execute("DELETE FROM message")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _letter(mail: dict[str, Any], entry: dict[str, Any]) -> Letter:
    # What stands in a personalization overrides the message (SendGrid, Personalizations).
    content = {block["type"]: block["value"] for block in mail.get("content") or []}
    return {
        "from": entry.get("from") or mail["from"],
        "to": entry["to"],
        "cc": entry.get("cc") or [],
        "bcc": entry.get("bcc") or [],
        "subject": entry.get("subject") or mail.get("subject") or "",
        "text": content.get("text/plain", ""),
        "html": content.get("text/html", ""),
        "headers": (mail.get("headers") or {}) | (entry.get("headers") or {}),
        "custom_args": (mail.get("custom_args") or {}) | (entry.get("custom_args") or {}),
        "categories": mail.get("categories") or [],
        "send_at": entry.get("send_at") or mail.get("send_at"),
        "tracking_settings": mail.get("tracking_settings") or {},
    }


def _shown(number: int, message_id: str, at_ms: int, letter: str, first: int | None) -> Letter:
    repeat_of = first if first != number else None
    content: Letter = json.loads(letter)
    return {"id": number, "message_id": message_id, "at": print_time(at_ms), "repeat_of": repeat_of} | content
