"""Waiting at the start for what a process needs, saying so, and giving up with what to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from compose.settings import Settings

log = structlog.get_logger("start")

PATIENCE_S = 300.0
SAY_EVERY_S = 3.0
TRY_EVERY_S = 0.25


class NotThere(Exception):
    """Something needed did not come; the text says what to do."""


async def wait_for_postgres(settings: Settings, database_url: str) -> None:
    """Wait until the role can log in; raises NotThere."""
    where = f"{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_database}"

    async def ask() -> str | None:
        try:
            connection = await asyncpg.connect(database_url, timeout=5)
        except (asyncpg.PostgresError, OSError, TimeoutError) as error:
            return type(error).__name__
        await connection.close()
        return None

    await _wait(
        f"PostgreSQL at {where}", ask, "Is it running, and does the worker's role with its password stand there?"
    )


async def wait_for_topics(settings: Settings, topics: Sequence[str]) -> None:
    """Wait until Kafka answers and all topics stand; raises NotThere."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=5_000, client_id="start")
    connected = False

    async def ask() -> str | None:
        nonlocal connected
        try:
            if not connected:
                await admin.start()
                connected = True
            found = await admin.describe_topics(list(topics))
        except (KafkaError, OSError, TimeoutError) as error:
            return type(error).__name__
        missing = sorted(one["topic"] for one in found if one["error_code"] != 0)
        return f"no topic {', '.join(missing)}" if missing else None

    try:
        await _wait(
            f"Kafka at {settings.kafka_bootstrap}",
            ask,
            "Is it running, and were the topics made (`marketplace topics create`)?",
        )
    finally:
        await admin.close()


async def _wait(what: str, ask: Callable[[], Awaitable[str | None]], advice: str) -> None:
    since = time.monotonic()
    said_at = 0.0
    while (reason := await ask()) is not None:
        now = time.monotonic()
        if now - since > PATIENCE_S:
            raise NotThere(f"{what} did not come within {PATIENCE_S:.0f} s ({reason}). {advice}")
        if now - said_at > SAY_EVERY_S:
            said_at = now
            log.info(f"waiting for {what}", reason=reason, since_s=round(now - since))
        await asyncio.sleep(TRY_EVERY_S)
