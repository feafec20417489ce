"""The edge as a process: python -m edge_api. Listens at once, takes commands when it is ready, stops within 5 s."""

import asyncio
import signal
import sys

import structlog
import uvloop

from compose.serve import spare_the_collector
from compose.settings import ConfigurationError, Settings, load
from consumers.runtime import logs
from consumers.runtime.health import Health
from edge_api import access_log, metrics
from edge_api.app import build
from edge_api.edge import Edge
from edge_api.internal import InternalRoutes
from edge_api.server import Server, server_of

LET_WAIT_S = 1.0
"""After SIGTERM a caller waits so long at most for a decision that is still on its way."""

log = structlog.get_logger("edge")


async def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT: 0; until a failure that only a new process can heal: 1."""
    stop = asyncio.Event()
    broken: list[BaseException] = []

    def fatal(error: BaseException) -> None:
        log.error("the process must end", reason=repr(error))
        broken.append(error)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    edge = Edge(settings, fatal=fatal)
    metrics.watch(edge.commands, edge.activity)
    health = Health(
        trouble=lambda: {"process": repr(broken[0])} if broken else {}, waiting=edge.waiting, more=InternalRoutes(edge)
    )
    await health.start(settings.internal_host, settings.internal_port)
    await edge.start()
    server = server_of(build(edge), settings)
    spare_the_collector()
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    await _stop(edge, server, serving)
    await health.stop()
    return 1 if broken or not stop.is_set() else 0


async def _stop(edge: Edge, server: Server, serving: "asyncio.Task[None]") -> None:
    log.info("stopping")
    server.should_exit = True
    # Who waits for a decision is answered 202 soon, and asks another process what became of it.
    asyncio.get_running_loop().call_later(LET_WAIT_S, edge.commands.give_up, "stopping")
    await asyncio.wait((serving,))
    await edge.stop()
    access_log.flush()
    log.info("stopped")


def main() -> int:
    """Run the process; 0 after a wanted end, 1 otherwise."""
    try:
        settings = load("edge")
    except ConfigurationError as error:
        print(f"edge: {error}", file=sys.stderr)
        return 1
    logs.configure("edge", settings.log_level)
    return uvloop.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
