"""An edge in the test's own process, on the servers of the running stack."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp

from compose.settings import Settings
from edge_api.app import build
from edge_api.edge import Edge
from producers.person import Person
from tests.edge_api.waiting import until


class RealEdge:
    """An edge, and people who come to it."""

    def __init__(self, edge: Edge, app: ASGIApp) -> None:
        self.edge = edge
        self.app = app

    @asynccontextmanager
    async def client(self, address: str = "203.0.113.9") -> AsyncIterator[httpx.AsyncClient]:
        """A client from an address."""
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.example/api/v1", timeout=30) as client:
            yield client

    @asynccontextmanager
    async def meets(self, person: Person) -> AsyncIterator[Person]:
        """The same person, at this edge."""
        async with self.client() as client:
            guest = Person(client, person.username)
            guest.user_id, guest.access, guest.refresh_token = person.user_id, person.access, person.refresh_token
            yield guest


@asynccontextmanager
async def running(stack: Settings, **more: Any) -> AsyncIterator[RealEdge]:
    """An edge with settings of its own; settings' bounds do not hold, so that a wait of 0 ms is possible."""
    failures: list[BaseException] = []
    edge = Edge(stack.model_copy(update=more), fatal=failures.append)
    await edge.start()
    try:
        await until(lambda: not edge.waiting())
        yield RealEdge(edge, build(edge))
    finally:
        await edge.stop()
    assert not failures
