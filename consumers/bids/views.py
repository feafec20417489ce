"""bid-views: shows in Redis what bids decided. Run: python -m consumers.bids.views"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from compose.settings import Settings
from consumers.bids.app import SCHEMA, SQL
from consumers.bids.current import LIVE, READERS, SCHEDULED, View, changes
from consumers.bids.rebuild import rebuild, rebuild_all
from consumers.runtime import Database, Inbox, Incoming, Write, takes
from consumers.runtime.worker import Worker, start
from topics.catalog import AUCTION_EVENTS

log = structlog.get_logger("bid-views")

ACTIVE: Final = Gauge("active_auctions_count", "Auctions that are live now.")
PLACED: Final = Counter("bids_placed_total", "Bids of people that were accepted and stand in the view.")

LOOK_EVERY_S: Final = 1.0
REDIS_WITHIN_S: Final = 5.0

COMPLETE: Final = "bid-views:complete"
"""Names the run of Redis in which the view was last known to be whole."""

REBUILDING: Final = "bid-views:rebuilding:"
REBUILT_WITHIN_S: Final = 60
"""After this long another process may try."""


class Shower:
    """Moves the view with the events, and makes it anew when Redis has lost some of it."""

    def __init__(self, settings: Settings) -> None:
        self._redis = Redis.from_url(
            settings.redis_url.get_secret_value(), decode_responses=True, socket_timeout=REDIS_WITHIN_S
        )
        self._view = View(self._redis)
        self._keeper: asyncio.Task[None] | None = None

    async def show(self, batch: Sequence[Incoming], db: Database) -> list[Write]:
        """One pipeline per batch; an auction of which Redis misses something is read from Postgres whole."""
        made = changes((str(incoming.aggregate), incoming) for incoming in batch)
        try:
            moved = await self._view.move(made)
        except ResponseError as error:
            # Full, read-only, cannot write its file: no fault of an auction, and it passes.
            raise ConnectionError(f"Redis refuses: {error}") from error
        PLACED.inc(sum(change.placed for change, what in zip(made, moved, strict=True) if what == 1))
        behind = {change.auction_id for change, what in zip(made, moved, strict=True) if what == -1}
        if behind:
            await rebuild(self._view, db, [UUID(auction_id) for auction_id in behind])
        return []

    async def open(self, db: Database) -> None:
        """Begin to look after the view."""
        self._keeper = asyncio.create_task(self._keep(db))

    async def close(self) -> None:
        """Stop looking after it."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self._redis.aclose()

    async def _keep(self, db: Database) -> None:
        while True:
            try:
                await self._look(db)
            except (RedisError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("cannot look after the view", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self, db: Database) -> None:
        """Count the live auctions; after a restart Redis may have lost its last second, or all."""
        run = (await self._redis.info("server"))["run_id"]
        if run != await self._redis.get(COMPLETE) and await self._redis.set(
            f"{REBUILDING}{run}", "", nx=True, ex=REBUILT_WITHIN_S
        ):
            count = await rebuild_all(self._view, db)
            await self._redis.set(COMPLETE, run)
            log.info("view made anew", auctions=count)
        now_ms = int(time.time() * 1000)
        await self._redis.zremrangebyscore(SCHEDULED, "-inf", now_ms)
        ACTIVE.set(await self._redis.zcount(LIVE, f"({now_ms}", "+inf") - await self._redis.zcard(SCHEDULED))


def build(settings: Settings) -> Worker:
    """The worker that shows current prices."""
    shower = Shower(settings)
    return Worker(
        name="bid-views",
        schema=SCHEMA,
        sql=SQL,
        inboxes=[
            Inbox(
                topic=AUCTION_EVENTS.name,
                group="auction-views",
                takes=takes(**READERS),
                apply=shower.show,
                commands=False,
            )
        ],
        before=shower.open,
        after=shower.close,
    )


if __name__ == "__main__":
    sys.exit(start("bid-views", build))
