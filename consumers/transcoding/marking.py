"""marker: serves viewers' own renditions to the CDN, made while they play. Run: python -m consumers.transcoding.marking

A process of its own and no job of the queue: the player waits for the segment that it asks for, so the request itself is the
job, and the CDN is who asks. It may be killed at any time: what was stored is there, the rest is made when it is asked for.
"""

import asyncio
import hmac
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from compose.settings import ConfigurationError, Settings, load
from consumers.runtime import logs, readiness
from consumers.runtime.migrate import migrate
from consumers.transcoding.gateway import Away, Missing, Objects
from consumers.transcoding.marker import CONTENT_TYPE, Busy, Marker, TooMany
from consumers.transcoding.marks import Limits
from consumers.transcoding.sandbox import Failed

log = structlog.get_logger("marker")

SCHEMA = "transcoding"
CONNECTIONS_MAX = 4
ANSWER_S_MAX = 20
"""After that the CDN hears 503 and the player asks again; the segment is made all the same."""


def application(marker: Marker, secret: str) -> Starlette:
    """The routes: a piece of a rendition, for the CDN that knows the secret; health, readiness, metrics."""

    async def piece(request: Request) -> Response:
        said = request.headers.get("X-Origin-Secret", "")
        if not hmac.compare_digest(said.encode(), secret.encode()):
            return PlainTextResponse("Renditions are served by the CDN.\n", 403)
        about: tuple[UUID, UUID, str, str] = tuple(
            request.path_params[name] for name in ("video_id", "viewer", "rung", "name")
        )
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                data = await marker.piece(*about)
        except Missing:
            return PlainTextResponse("There is no such piece.\n", 404)
        except TooMany:
            return PlainTextResponse("Too many renditions.\n", 429, {"Retry-After": "600"})
        except (Busy, Away, Failed, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return PlainTextResponse("Not now.\n", 503, {"Retry-After": "2"})
        return Response(data, headers={"Accept-Ranges": "bytes"}, media_type=CONTENT_TYPE)

    async def well(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @asynccontextmanager
    async def at_work(_: Starlette) -> AsyncIterator[None]:
        await marker.start()
        yield
        await marker.stop()

    routes = [
        Route("/marked/{video_id:uuid}/{viewer:uuid}/{rung}/{name}", piece, methods=["GET"]),
        Route("/health", well),
        Route("/ready", well),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=routes, lifespan=at_work)


def limits(settings: Settings) -> Limits:
    """As configured."""
    return Limits(settings.marked_per_viewer, settings.marked_in_all, settings.marked_s)


async def run(settings: Settings) -> int:
    """Serve until a signal ends it: 0; until a failure that nobody expected: 1. Raises readiness.NotThere."""
    url = settings.database_url("marker")
    await readiness.wait_for_postgres(settings, url)
    await migrate(url, SCHEMA, Path(__file__).parent)
    objects = Objects(settings)
    broken: list[BaseException] = []

    def fatal(error: BaseException) -> None:
        log.error("the process must end", reason=repr(error))
        broken.append(error)
        server.should_exit = True

    async with asyncpg.create_pool(
        url, min_size=0, max_size=CONNECTIONS_MAX, server_settings={"search_path": SCHEMA}, command_timeout=5
    ) as db:
        scratch = Path(settings.video_scratch) / f"marked-{settings.worker_slot}"
        marker = Marker(objects, db, scratch, limits(settings), at_once=os.cpu_count() or 1, fatal=fatal)
        config = uvicorn.Config(
            application(marker, settings.origin_secret),
            host=settings.internal_host,
            port=settings.internal_port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        await server.serve()
    objects.close()
    return 1 if broken else 0


def main() -> int:
    """Run the process; 0 after a wanted end, 1 otherwise."""
    try:
        settings = load("marker")
    except ConfigurationError as error:
        print(f"marker: {error}", file=sys.stderr)
        return 1
    logs.configure("marker", settings.log_level)
    try:
        return asyncio.run(run(settings))
    except readiness.NotThere as error:
        print(f"marker: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
