"""What every stand-in needs to run: a data folder of its own, health routes, a server that answers this machine only."""

import os
from collections.abc import Iterable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from compose.sandboxes.faults import Faults, switch_routes

STACK_VARIABLE = "MARKETPLACE_STACK"
"""The stack's folder, given by `compose/local` to every process."""


def data_folder(name: str) -> Path:
    """The stand-in's folder inside the stack's data, or below the working folder when no stack is named; made if missing."""
    folder = Path(os.environ.get(STACK_VARIABLE, ".")) / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def application(routes: Iterable[BaseRoute], faults: Faults, *, host: str) -> Starlette:
    """The stand-in's application: its own routes, the fault switches, `/health` and `/ready`.

    Requests that name another host than this machine or `host` are refused: a page on the web must not read
    the mail by pointing a name of its own at the loopback address.
    """
    return Starlette(
        routes=[*routes, *switch_routes(faults), Route("/health", _well), Route("/ready", _well)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", host])],
    )


async def _well(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def serve(app: Starlette, *, address: str, port: int) -> None:
    """Serve until a signal ends it. No access log: addresses of requests hold e-mail addresses."""
    uvicorn.run(app, host=address, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
