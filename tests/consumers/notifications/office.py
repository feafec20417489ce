"""A post office of a test's own: a database, a stand-in, and runners that can be killed."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from compose import envfile
from compose.settings import Settings
from compose.stack import ROOT
from consumers.notifications import app
from consumers.notifications.compose import Occasion
from consumers.notifications.letters import SEND_EMAIL, Letter
from consumers.runtime import Job, enqueue
from consumers.runtime.migrate import migrate
from schemas.sealed import UserKeys, new_user_key, seal_for_user
from tests.compose.sandboxes.standin import KEY, SENDER, Standin

KEYRING = """
    CREATE SCHEMA accounts;
    CREATE TABLE accounts.keyring (user_id uuid PRIMARY KEY, wrapped_key text NOT NULL);
    GRANT USAGE ON SCHEMA accounts TO notifications;
    GRANT SELECT ON accounts.keyring TO notifications;
    CREATE SCHEMA notifications AUTHORIZATION notifications;
"""


@dataclass(frozen=True)
class Reader:
    """Somebody with an address and a key of their own."""

    user_id: UUID
    email: str
    key: bytes
    wrapped_key: str

    def seal(self, text: str, field: str) -> str:
        """Seal a text as accounts does."""
        return seal_for_user(text, user_key=self.key, user_id=str(self.user_id), field=field)


def new_reader(settings: Settings) -> Reader:
    """A reader with a fresh key, wrapped by the stack's master key."""
    user_id, key = uuid4(), new_user_key()
    wrapped = UserKeys(settings.keys_of_seals).wrap(key, user_id=str(user_id))
    return Reader(user_id, f"reader-{user_id.hex[:8]}@example.org", key, wrapped)


class Office:
    """Letters to be sent, and those who send them."""

    def __init__(self, settings: Settings, db: asyncpg.Connection, standin: Standin, env_file: Path) -> None:
        self.settings = settings
        self.db = db
        self.standin = standin
        self.log = env_file.with_name("runners.log")
        self._env_file = env_file
        self._runners: list[subprocess.Popen[bytes]] = []

    async def letter(
        self,
        *,
        known: bool = True,
        occasion: Occasion = "email-verification",
        expires_in: timedelta = timedelta(hours=1),
        email: str | None = None,
    ) -> tuple[UUID, Reader, str]:
        """Make a job for a new reader, as the worker does for an event; `known` readers have a key. Returns job, reader, token."""
        reader = new_reader(self.settings)
        if known:
            await self.db.execute("INSERT INTO accounts.keyring VALUES ($1, $2)", reader.user_id, reader.wrapped_key)
        token = f"{reader.user_id}.{secrets.token_urlsafe(24)}"
        letter = Letter(
            occasion=occasion,
            user_id=reader.user_id,
            username=f"reader-{reader.user_id.hex[:8]}",
            sealed_email=reader.seal(email or reader.email, "email"),
            sealed_token=reader.seal(token, "token"),
            expires_at=datetime.now(UTC) + expires_in,
        )
        job = Job(uuid4(), SEND_EMAIL, letter.model_dump_json(by_alias=True).encode())
        for write in enqueue(job):
            await self.db.executemany(write.sql, write.rows)
        return job.id, reader, token

    def start_runner(self, *, lease_s: float = 2.0) -> subprocess.Popen[bytes]:
        """One more process that sends letters; short leases, so that a killed one's letters are soon another's."""
        environment = dict(os.environ) | {
            "MARKETPLACE_ENV": str(self._env_file),
            "INTERNAL_PORT": str(_free_port()),
            "WORKER_SLOT": str(len(self._runners) + 1),
        }
        with self.log.open("ab") as out:
            runner = subprocess.Popen(
                [sys.executable, "-m", "tests.consumers.notifications.runner", str(lease_s)],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=out,
            )
        self._runners.append(runner)
        return runner

    def kill(self, runner: subprocess.Popen[bytes]) -> None:
        """End a runner as a crash would."""
        runner.kill()
        runner.wait()

    def close(self) -> None:
        """End all runners."""
        for runner in self._runners:
            self.kill(runner)

    async def until(self, met: Callable[[], Awaitable[bool]], *, within_s: float = 20) -> None:
        """Wait for a condition; raises AssertionError with the end of the runners' log when it is not met in time."""
        try:
            async with asyncio.timeout(within_s):
                while not await met():  # noqa: ASYNC110 - what is waited for happens in other processes
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s; runners: {self.log.read_text()[-2000:]}") from None

    async def open_jobs(self) -> int:
        """Jobs that are neither done nor given up."""
        count: int = await self.db.fetchval("SELECT count(*) FROM jobs WHERE done_at IS NULL AND failed_at IS NULL")
        return count

    async def all_closed(self) -> bool:
        """Whether no job is open."""
        return await self.open_jobs() == 0


@asynccontextmanager
async def opened(settings: Settings, standin: Standin, folder: Path) -> AsyncIterator[Office]:
    """An office with a database of its own on the stack's server, dropped afterwards."""
    name = f"ntf_{secrets.token_hex(6)}"
    owner = await asyncpg.connect(settings.database_url("cli"))
    await owner.execute(f"CREATE DATABASE {name}")
    own = settings.model_copy(update={"postgres_database": name})
    db = await asyncpg.connect(own.database_url("cli"), server_settings={"search_path": "notifications"})
    office = Office(own, db, standin, _environment(folder, name, standin))
    try:
        await db.execute(KEYRING)
        await migrate(own.database_url("notifications"), "notifications", Path(app.__file__).parent)
        yield office
    finally:
        office.close()
        await db.close()
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()


def _environment(folder: Path, database: str, standin: Standin) -> Path:
    variables = envfile.read(Path(os.environ["MARKETPLACE_ENV"])) | {
        "POSTGRES_DATABASE": database,
        "SENDGRID_HOST": standin.url,
        "SENDGRID_API_KEY": KEY,
        "MAIL_FROM": SENDER,
    }
    file = folder / "env"
    file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return file


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
