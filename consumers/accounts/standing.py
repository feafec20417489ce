"""What makes access tokens die at once, in Redis, where the edge looks at every request.

`suspended:user:{id}` stands while the account is suspended. `revoked:user:{id}` = seconds since 1970 (with fraction):
access tokens issued before are dead. `blacklist:session:{sid}` stands when the session has ended. The latter two live as
long as an access token can. All can be written again, in any order, and are made anew from PostgreSQL by `rebuild`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import asyncpg
import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from consumers.runtime import Database, LogRow
from schemas.envelope import parse_time, time_ms

log = structlog.get_logger("standing")

WATCH_EVERY_S = 1.0

# A process that was stopped between its commit and this must not bring an older standing back: the sequence guards it.
STAND = """
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[2]) or '0') then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
if ARGV[2] == '1' then redis.call('SET', KEYS[1], '1') else redis.call('DEL', KEYS[1]) end
return 1
"""

REVOKE = """
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""

LOAD_SUSPENDED = "SELECT id, sequence FROM account WHERE suspended"
LOAD_LIFTED = "SELECT id, sequence FROM account WHERE id = ANY($1) AND suspended IS NOT TRUE"
LOAD_REVOKED = "SELECT id, tokens_since_ms FROM account WHERE tokens_since_ms > $1"
LOAD_SESSIONS = "SELECT id FROM session WHERE revoked_ms > $1"


class _Said(msgspec.Struct, rename="camel"):
    user_id: UUID
    session_id: UUID | None = None


class _Event(msgspec.Struct, rename="camel"):
    event_type: str
    timestamp: str
    sequence: int
    data: _Said


_events = msgspec.json.Decoder(_Event)


class Standing:
    """Writes to Redis who may not act and which tokens are dead."""

    def __init__(self, redis: Redis, *, token_s: int) -> None:
        """Take a client and the longest life of an access token, seconds."""
        self._redis = redis
        self._token_s = token_s
        self._watch: asyncio.Task[None] | None = None

    async def tell(self, rows: Sequence[LogRow]) -> None:
        """Write what committed decisions mean for tokens; raises when Redis is away, so that it comes again."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for row in rows:
                for value in row.events:
                    self._note(pipeline, value)
            if len(pipeline):
                await pipeline.execute()

    def _note(self, pipeline: Pipeline, value: bytes) -> None:
        event = _events.decode(value)
        user_id = event.data.user_id
        match event.event_type:
            case "UserSuspended":
                self._stand(pipeline, user_id, event.sequence, suspended=True)
            case "UserReinstated":
                self._stand(pipeline, user_id, event.sequence, suspended=False)
            case "SessionsRevoked" | "RoleGranted":
                self._revoke(pipeline, user_id, parse_time(event.timestamp))
            case "SessionRevoked" if event.data.session_id is not None:
                self._blacklist(pipeline, event.data.session_id)

    def _stand(self, pipeline: Pipeline, user_id: UUID, sequence: int, *, suspended: bool) -> None:
        keys = (f"suspended:user:{user_id}", f"suspended:sequence:{user_id}")
        pipeline.eval(STAND, 2, *keys, str(sequence), "1" if suspended else "0")

    def _revoke(self, pipeline: Pipeline, user_id: UUID, at_ms: int) -> None:
        pipeline.eval(REVOKE, 1, f"revoked:user:{user_id}", f"{at_ms / 1000:.3f}", str(self._token_s))

    def _blacklist(self, pipeline: Pipeline, session_id: UUID) -> None:
        pipeline.set(f"blacklist:session:{session_id}", "1", ex=self._token_s)

    async def rebuild(self, db: Database) -> None:
        """Write all of it anew from PostgreSQL; what stands in Redis by mistake is taken away."""
        since_ms = time_ms() - 1000 * self._token_s
        marked = [UUID(key.rpartition(":")[2]) async for key in self._redis.scan_iter("suspended:user:*", count=1000)]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for row in await db.fetch(LOAD_SUSPENDED):
                self._stand(pipeline, row["id"], row["sequence"], suspended=True)
            for row in await db.fetch(LOAD_LIFTED, marked):
                self._stand(pipeline, row["id"], row["sequence"], suspended=False)
            for row in await db.fetch(LOAD_REVOKED, since_ms):
                self._revoke(pipeline, row["id"], row["tokens_since_ms"])
            for row in await db.fetch(LOAD_SESSIONS, since_ms):
                self._blacklist(pipeline, row["id"])
            if len(pipeline):
                await pipeline.execute()

    async def start(self, db: Database) -> None:
        """Rebuild now, and again whenever Redis was started anew: it may have lost its last second."""
        self._watch = asyncio.create_task(self._rebuild_after_restarts(db))

    async def _rebuild_after_restarts(self, db: Database) -> None:
        built_for = None
        while True:
            try:
                run = (await self._redis.info("server"))["run_id"]
                if run != built_for:
                    await self.rebuild(db)
                    built_for = run
                    log.info("standing rebuilt")
            except (RedisError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("standing not rebuilt", error=type(error).__name__)
            await asyncio.sleep(WATCH_EVERY_S)

    async def close(self) -> None:
        """End watching and close the client."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await self._redis.aclose()
