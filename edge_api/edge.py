"""Everything that a route may use, made once per process."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.requests import HTTPConnection

from compose.settings import Settings
from edge_api.admission import Admission
from edge_api.cdn import Cdn
from edge_api.outage import AWAY
from edge_api.search_hidden import Hidden
from edge_api.search_index import SearchIndex
from edge_api.storage import Storage
from edge_api.tokens import RefreshTokens, Tokens
from producers.activity import Activity
from producers.commands import Commands
from producers.sparingly import Sparingly
from schemas.envelope import Actor, aggregate_of
from schemas.pseudonym import pseudonym
from schemas.sealed import OrderSeal, TopicSeal, UserKeys
from schemas.text import email_key

log = structlog.get_logger("edge")

LOOK_EVERY_S = 2
REDIS_TIMEOUT_S = 1.0
REDIS_CONNECTIONS = 64
VIEW_TIMEOUT_S = 3
POOL_SIZE = 10
DAY_MS = 86_400_000


class Edge:
    """The edge's hands: commands to Kafka, views in Postgres, Redis, tokens and keys."""

    def __init__(self, settings: Settings, *, fatal: Callable[[BaseException], None]) -> None:
        """Make what needs no connection; `fatal` is told of failures after which the process must end."""
        self.settings = settings
        self.redis = redis_of(settings)
        self.commands = Commands(settings, self.redis, fatal=fatal)
        self.search = SearchIndex(settings, Hidden(self.rows))
        self.activity = Activity(settings.kafka_bootstrap)
        self.admission = Admission(self.redis, settings)
        self.tokens = Tokens(settings)
        self.refresh_tokens = RefreshTokens(settings)
        self.cdn = Cdn(settings)
        self.storage = Storage(settings)
        self.seal = TopicSeal(settings.keys_of_seals)
        self.user_keys = UserKeys(settings.keys_of_seals)
        self.order_seal = OrderSeal(settings.keys_of_seals)
        self._email_key = settings.email_hash_secret
        self._pseudonym_key = settings.pseudonym_secret
        self._pool: asyncpg.Pool | None = None
        self._postgres_trouble: str | None = "not asked yet"
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect; nothing here waits for a server that is away."""
        self._pool = await asyncpg.create_pool(
            self.settings.database_url("edge"),
            min_size=0,
            max_size=POOL_SIZE,
            command_timeout=VIEW_TIMEOUT_S,
            timeout=VIEW_TIMEOUT_S,
            reset=_no_reset,
        )
        self._looking = asyncio.create_task(self._look_at_postgres())
        await self.commands.start()
        self.activity.start()

    async def stop(self) -> None:
        """Stop within 5 s."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(self.commands.stop(), self.activity.stop(), self.search.close(), self.storage.close())
        if self._pool is not None:
            self._pool.terminate()
        await self.redis.aclose()

    async def _look_at_postgres(self) -> None:
        sparingly = Sparingly()
        while True:
            try:
                await self.rows("SELECT 1")
                self._postgres_trouble = None
            except AWAY as error:
                self._postgres_trouble = type(error).__name__
                if sparingly.due():
                    log.warning("waiting for PostgreSQL", reason=repr(error))
            await asyncio.sleep(LOOK_EVERY_S)

    def waiting(self) -> dict[str, str]:
        """What the process waits for before it may serve; empty when it is ready."""
        return {
            **({} if self.commands.trouble is None else {"commands": self.commands.trouble}),
            **({} if self._postgres_trouble is None else {"postgres": self._postgres_trouble}),
        }

    async def rows(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Rows of the workers' views; raises asyncpg's errors, OSError and TimeoutError, which become 503."""
        assert self._pool is not None, "the edge was not started"
        async with asyncio.timeout(VIEW_TIMEOUT_S), self._pool.acquire() as connection:
            found: list[asyncpg.Record] = await connection.fetch(sql, *args)
            return found

    async def row(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        found = await self.rows(sql, *args)
        return found[0] if found else None

    def email_hash(self, address: str) -> str:
        """By which an e-mail address is looked up, hex."""
        return hmac.digest(self._email_key, email_key(address).encode(), "sha256").hex()

    def keyed(self, data: bytes) -> bytes:
        """A keyed hash of data that holds a secret, since a fingerprint of it stands on a topic in clear."""
        return hmac.digest(self._email_key, b"fingerprint\0" + data, "sha256")

    def pseudonym(self, auction_id: UUID | str, user_id: UUID | str) -> str:
        """Under which a bidder appears in an auction (rule B13)."""
        return pseudonym(self._pseudonym_key, str(auction_id), str(user_id))

    def searcher(self, who: UUID | str, at_ms: int) -> UUID:
        """The name of one who searches: it fits one day, and no two days can be joined (schemas.activity)."""
        return UUID(pseudonym(self._pseudonym_key, f"searcher:{at_ms // DAY_MS}", str(who)))

    def anonymous(self, address: str) -> Actor:
        """Who speaks without a login: bound to the address, which itself is not told."""
        return Actor(str(aggregate_of("address", self.keyed(address.encode()).hex())))


async def _no_reset(_connection: asyncpg.Connection) -> None:
    """Views leave nothing behind in a connection: the default's extra query per request is saved."""


def redis_of(settings: Settings) -> Redis:
    """A client that gives up soon: what Redis cannot say in a second is done without it."""
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        max_connections=REDIS_CONNECTIONS,
        timeout=REDIS_TIMEOUT_S,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        # A connection that Redis closed is made anew; waiting twice for one that hangs helps nobody.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


def edge_of(request: HTTPConnection) -> Edge:
    """The edge that serves a request."""
    edge: Edge = request.app.state.edge
    return edge
