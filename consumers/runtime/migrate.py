"""Bring a worker's schema to the state of its `.sql` files, one process at a time."""

import hashlib
import re
from pathlib import Path

import asyncpg
import structlog

log = structlog.get_logger("migrate")

RUNTIME = Path(__file__).with_name("schema.sql")

LOCK = """
    SELECT pg_advisory_lock(hashtextextended('marketplace:' || $1, 0))
"""

SCHEMA_STANDS = """
    SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)
"""

MIGRATIONS = """
    CREATE TABLE IF NOT EXISTS migrations (
        name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""

APPLIED = """
    SELECT name, sha256 FROM migrations
"""

RECORD = """
    INSERT INTO migrations (name, sha256) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now()
"""

MIGRATED_WITHIN_S = 60


class MigrationChanged(Exception):
    """A numbered file that was applied reads otherwise now; a change needs a file of its own."""


async def migrate(database_url: str, schema: str, folder: Path) -> list[str]:
    """Apply what is new and return its names: the runtime's tables, then the folder's numbered files, then the others.

    Raises MigrationChanged, and PostgresError with the statement that failed.
    """
    connection = await asyncpg.connect(
        database_url,
        server_settings={"search_path": schema, "application_name": f"{schema}-migrate"},
        command_timeout=MIGRATED_WITHIN_S,
    )
    try:
        await connection.execute(LOCK, schema)
        if not await connection.fetchval(SCHEMA_STANDS, schema):
            await connection.execute(f'CREATE SCHEMA "{schema}"')
        await connection.execute(MIGRATIONS)
        applied = {row["name"]: row["sha256"] for row in await connection.fetch(APPLIED)}
        new = []
        for name, path in sql_files(folder):
            text = path.read_text()
            digest = hashlib.sha256(text.encode()).hexdigest()
            if applied.get(name) == digest:
                continue
            if name in applied and _is_numbered(path):
                raise MigrationChanged(f"{path.name} of {schema} was changed after it had been applied")
            async with connection.transaction():
                await connection.execute(text)
                await connection.execute(RECORD, name, digest)
            new.append(name)
        if new:
            log.info("migrated", schema=schema, applied=new)
        return new
    finally:
        await connection.close()


def sql_files(folder: Path) -> list[tuple[str, Path]]:
    """A worker's files with their names, in the order in which they are applied."""
    files = sorted(folder.glob("*.sql"), key=lambda path: (not _is_numbered(path), path.name))
    return [("runtime/schema.sql", RUNTIME), *((path.name, path) for path in files)]


def _is_numbered(path: Path) -> bool:
    return re.match(r"\d{4}", path.name) is not None
