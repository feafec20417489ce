"""Look for secrets in every byte that the system keeps: topics, tables, Redis, logs."""

import base64
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
from aiokafka import ConsumerRecord
from redis.asyncio import Redis

from compose.settings import Settings
from tests.journeys.records import records
from topics.catalog import CATALOG

CHUNK = 2**22
KEYS_AT_ONCE = 500

TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


def forms(secret: str) -> set[bytes]:
    """A text as it might stand somewhere, in lower case: itself, escaped, hex, or base64 wherever it began."""
    raw = secret.encode()
    found = {raw, quote(secret).encode(), raw.hex().encode(), raw[::-1]}
    for padding in range(3):
        # What stands before and after changes the first and last characters.
        encoded = base64.b64encode(b"\0" * padding + raw)[4 if padding else 0 :].rstrip(b"=")[:-1]
        found |= {encoded, encoded.replace(b"+", b"-").replace(b"/", b"_")}
    return {form.lower() for form in found}


class Search:
    """What is looked for, and where it was seen."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Take name -> text of each; the name, never the text, stands in `seen`."""
        self._forms = {name: forms(text) for name, text in secrets.items()}
        self.seen: set[tuple[str, str]] = set()

    def look(self, place: str, chunk: bytes) -> None:
        """Look through some bytes of a place."""
        small = chunk.lower()
        for name, wanted in self._forms.items():
            if any(form in small for form in wanted):
                self.seen.add((place, name))

    async def everywhere(self, settings: Settings, owner: asyncpg.Connection, logs: Path | None) -> None:
        """Look through all there is."""
        async for place, chunk in _topics(settings):
            self.look(place, chunk)
        async for place, chunk in _tables(owner):
            self.look(place, chunk)
        async for chunk in _redis(settings):
            self.look("Redis", chunk)
        for place, chunk in [] if logs is None else _files(logs):
            self.look(place, chunk)


async def _topics(settings: Settings) -> AsyncIterator[tuple[str, bytes]]:
    names = [name for topic in CATALOG for name in (topic.name, *topic.dead_letters)]
    for name in names:
        waiting: list[bytes] = []
        async for record in records(settings.kafka_bootstrap, [name]):
            waiting += _parts(record)
            if len(waiting) > CHUNK // 100:
                yield f"topic {name}", b"\n".join(waiting)
                waiting = []
        yield f"topic {name}", b"\n".join(waiting)


def _parts(record: ConsumerRecord) -> Iterator[bytes]:
    yield record.key or b""
    yield record.value or b""
    for name, value in record.headers:
        yield name.encode() + b"=" + (value or b"")


async def _tables(owner: asyncpg.Connection) -> AsyncIterator[tuple[str, bytes]]:
    for schema, table in await owner.fetch(TABLES):
        rows: list[bytes] = []
        # Binary, so that a bytea is what was written, not its hex.
        await owner.copy_from_table(table, schema_name=schema, output=_keeper(rows), format="binary")
        yield f"table {schema}.{table}", b"".join(rows)


def _keeper(rows: list[bytes]) -> Callable[[bytes], Coroutine[Any, Any, None]]:
    async def keep(row: bytes) -> None:
        rows.append(bytes(row))

    return keep


async def _redis(settings: Settings) -> AsyncIterator[bytes]:
    redis = Redis.from_url(settings.redis_url.get_secret_value())
    try:
        keys: list[bytes] = [key async for key in redis.scan_iter(count=KEYS_AT_ONCE)]
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            kinds = await _each(redis, [("TYPE", key) for key in some])
            values = await _each(redis, [_reading(kind.decode(), key) for key, kind in zip(some, kinds, strict=True)])
            yield b"\n".join([*some, repr(values).encode()])
    finally:
        await redis.aclose()


async def _each(redis: Redis, commands: list[tuple[str | bytes, ...]]) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(await pipeline.execute())


def _reading(kind: str, key: bytes) -> tuple[str | bytes, ...]:
    match kind:
        case "hash":
            return ("HGETALL", key)
        case "zset":
            return ("ZRANGE", key, "0", "-1")
        case "set":
            return ("SMEMBERS", key)
        case "list":
            return ("LRANGE", key, "0", "-1")
        case "string" | "none":
            return ("GET", key)
        case _:
            raise ValueError(f"nobody knows how to read a {kind}")


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir()):
        yield f"log {path.name}", path.read_bytes()
