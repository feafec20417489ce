"""What tests of the edge ask for."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.edge_api.doorway import ANNA, MINA, Doorway


@pytest.fixture
def doorway() -> Doorway:
    """An edge without servers."""
    return Doorway()


@pytest.fixture
async def nobody(doorway: Doorway) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a login."""
    async with doorway.client() as client:
        yield client


@pytest.fixture
async def anna(doorway: Doorway) -> AsyncIterator[httpx.AsyncClient]:
    """A buyer's client."""
    async with doorway.client(user=ANNA) as client:
        yield client


@pytest.fixture
async def mina(doorway: Doorway) -> AsyncIterator[httpx.AsyncClient]:
    """A seller's client."""
    async with doorway.client(user=MINA, roles=("buyer", "seller")) as client:
        yield client
