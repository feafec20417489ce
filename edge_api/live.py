"""The live process: `python -m edge_api.live`. People watch auctions over WebSocket, `/ws?ticket=`."""

import asyncio
import logging
import signal
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog
import uvloop
from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)
from redis.asyncio import BlockingConnectionPool, Redis

from compose.serve import spare_the_collector
from compose.settings import ConfigurationError, Settings, load
from consumers.runtime.health import Health
from consumers.runtime.logs import configure
from consumers.runtime.readiness import NotThere
from edge_api.live_hub import Hub
from edge_api.live_sockets import FRAME_BYTES_MAX, Socket
from edge_api.live_tail import Tail

log = structlog.get_logger("live")

BACKLOG = 4096
DATABASE_CONNECTIONS = 8
REDIS_CONNECTIONS = 16
PATIENCE_S = 3.0
GOODBYE_S = 3.0
STALLED_S = 15.0


class Quiet(logging.LoggerAdapter[logging.Logger]):
    """picows' logger: a client that breaks the protocol is no error of ours. (An adapter also spares a logger per socket.)"""

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Say it softly."""
        self.debug(msg, *args, **kwargs)


class Door:
    """Decides whether a request may become a WebSocket."""

    def __init__(self, hub: Hub, origins: frozenset[str]) -> None:
        self._hub = hub
        self._origins = origins

    def __call__(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener | None:
        """The socket for a request; an HTTP error for a foreign page, 404 for another path."""
        url = urlsplit(request.path.decode("latin-1"))
        if url.path != "/ws":
            return None
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            refusal = WSUpgradeResponse.create_error_response(403, b"This origin may not connect.\n")
            return WSUpgradeResponseWithListener(refusal, None)
        return Socket(self._hub, parse_qs(url.query).get("ticket", [""])[0])


def origins(settings: Settings) -> frozenset[str]:
    """Pages that may connect: the edge's own and the configured ones."""
    own = urlsplit(str(settings.public_url))
    return frozenset({f"{own.scheme}://{own.netloc}", *settings.origins})


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises NotThere when Kafka or its topics do not come."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    redis = Redis(
        connection_pool=BlockingConnectionPool.from_url(
            settings.redis_url.get_secret_value(),
            max_connections=REDIS_CONNECTIONS,
            timeout=PATIENCE_S,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
        )
    )
    # Nothing is connected before it is needed: the process starts, and stays, while Postgres is away.
    db = await asyncpg.create_pool(
        settings.database_url("live"), min_size=0, max_size=DATABASE_CONNECTIONS, timeout=PATIENCE_S
    )
    trusted = frozenset(proxy.strip() for proxy in settings.trusted_proxies.split(",") if proxy.strip())
    hub = Hub(db, redis, pseudonym_secret=settings.pseudonym_secret, trusted=trusted)
    try:
        await _serve(settings, hub, Tail(settings, hub.hear, hub.rooms.mend_all), stop)
    finally:
        db.terminate()
        await redis.aclose()


async def _serve(settings: Settings, hub: Hub, tail: Tail, stop: asyncio.Event) -> None:
    health = Health(trouble=lambda: _trouble(tail), waiting=lambda: {} if tail.ready else {"tail": "not placed yet"})
    await health.start(settings.internal_host, settings.internal_port)
    work = [asyncio.create_task(one) for one in (stop.wait(), tail.follow(), hub.beat())]
    placed = asyncio.create_task(tail.placed.wait())
    await asyncio.wait([*work, placed], return_when=asyncio.FIRST_COMPLETED)
    if tail.ready:
        # Nobody may watch before the tail stands: what happens in between would be missed.
        server = await listen(hub, origins(settings), settings.edge_host, settings.live_port)
        log.info("live", port=settings.live_port)
        spare_the_collector()
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        await hub.say_goodbye(GOODBYE_S)
    await health.stop()
    ended = [task for task in work if task.done()]
    for task in {*work, placed} - {*ended}:
        task.cancel()
    await asyncio.wait([*work, placed], timeout=1)
    for task in ended:
        task.result()


def _trouble(tail: Tail) -> dict[str, str]:
    stalled = tail.ready and time.monotonic() - tail.polled_at > STALLED_S
    return {"tail": f"not polled for {STALLED_S:.0f} s"} if stalled else {}


async def listen(hub: Hub, allowed: frozenset[str], host: str, port: int) -> asyncio.Server:
    """Let sockets of these origins in; raises OSError when the port is taken."""
    picows = logging.getLogger("picows")
    picows.setLevel(logging.WARNING)
    return await ws_create_server(
        Door(hub, allowed),
        host,
        port,
        logger_name=Quiet(picows, {}),
        # A little over our own limit, so that we can say what was wrong.
        max_frame_size=2 * FRAME_BYTES_MAX,
        read_buffer_init_size=2048,
        # uvloop's own transports take half the memory of aiofastnet's, at the same cost per write.
        use_aiofastnet=False,
        backlog=BACKLOG,
    )


def main() -> int:
    """Run the process; 0 after a wanted end, 1 with the reason otherwise."""
    try:
        settings = load("live")
        configure("live", settings.log_level)
        uvloop.run(run(settings))
    except (ConfigurationError, NotThere) as error:
        print(f"live: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
