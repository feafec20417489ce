"""What tests of accounts run on: a schema of their own, or two workers on the running stack."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

import consumers.accounts
import consumers.runtime
from compose.settings import Settings
from consumers.accounts.passwords import Passwords
from tests.consumers.accounts.caller import Caller, connected
from tests.consumers.accounts.clerk import Clerk

RUNTIME = Path(str(consumers.runtime.__file__)).parent
ACCOUNTS = Path(str(consumers.accounts.__file__)).parent


@pytest.fixture(scope="session")
def passwords() -> Iterator[Passwords]:
    """Threads that hash."""
    threads = Passwords()
    yield threads
    threads.close()


@pytest.fixture
async def clerk(stack: Settings, passwords: Passwords) -> AsyncIterator[Clerk]:
    """A desk of accounts with empty tables."""
    schema = f"accounts_of_a_test_{uuid4().hex[:12]}"
    url = stack.database_url("cli")
    async with asyncpg.create_pool(url, min_size=1, max_size=3, server_settings={"search_path": schema}) as pool:
        await pool.execute(f"CREATE SCHEMA {schema}")
        for text in (RUNTIME / "schema.sql", ACCOUNTS / "schema.sql", ACCOUNTS / "views.sql"):
            await pool.execute(text.read_text())
        yield Clerk(pool, passwords)
        await pool.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(scope="module")
async def workers(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """Two accounts workers, beside those of the stack."""
    folder = tmp_path_factory.mktemp("accounts")
    started = [await _start(slot, folder / f"{slot}.log") for slot in (8, 9)]
    try:
        for process, port, log in started:
            await _until_ready(process, port, log)
        yield
    finally:
        for process, _, _ in started:
            if process.returncode is None:
                process.terminate()
        for process, _, log in started:
            assert await asyncio.wait_for(process.wait(), 15) == 0, _end_of(log)


@pytest.fixture(scope="module")
async def caller(stack: Settings, workers: None) -> AsyncIterator[Caller]:
    """Speaks to the workers."""
    redis = Redis.from_url(stack.redis_url.get_secret_value(), decode_responses=True)
    found, commands = await connected(stack, redis)
    yield found
    await commands.stop()
    await redis.aclose()


async def _start(slot: int, log: Path) -> tuple[asyncio.subprocess.Process, int, Path]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    environment = {**os.environ, "WORKER_SLOT": str(slot), "INTERNAL_PORT": str(port)}
    with log.open("w") as out:
        command = (sys.executable, "-m", "consumers.accounts")
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out, env=environment)
    return process, port, log


async def _until_ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    give_up_at = time.monotonic() + 40
    async with httpx.AsyncClient() as client:
        while time.monotonic() < give_up_at and process.returncode is None:
            with suppress(httpx.HTTPError):
                if (await client.get(f"http://127.0.0.1:{port}/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.1)
    raise AssertionError(_end_of(log))


def _end_of(log: Path) -> str:
    return log.read_text()[-3000:]
