"""What every test may ask for: the running stack's settings, an HTTP client, people, the owner's database connection."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import httpx
import pytest

from compose.settings import Settings, load
from producers.person import Person
from tests import containers
from tests.journeys.cinema import cinema

__all__ = ["cinema"]

NewPeople = Callable[..., Awaitable[list[Person]]]

SERVED = {"stack", "house", "faults"}
"""The fixtures and markers of tests that need servers."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--servers with|without`: the two halves of the suite, to run beside each other."""
    parser.addoption("--servers", choices=("with", "without"), help="only tests that need servers, or that need none")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other half, if only one is wanted."""
    wanted = config.getoption("--servers")
    if wanted is None:
        return
    others = [item for item in items if _is_served(item) != (wanted == "with")]
    config.hook.pytest_deselected(items=others)
    left_out = set(others)
    items[:] = [item for item in items if item not in left_out]


def _is_served(item: pytest.Item) -> bool:
    names = {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())}
    return "quick" not in names and bool(names & SERVED)


@pytest.fixture(scope="session")
def stack() -> Iterator[Settings]:
    """Settings of the running test stack.

    `compose/local test` starts the stack and names its environment file in MARKETPLACE_ENV; with TEST_STACK=containers the
    same processes run in containers instead.
    """
    if os.environ.get("TEST_STACK") == "containers":
        with containers.stack() as env_file:
            os.environ["MARKETPLACE_ENV"] = str(env_file)
            yield load("cli")
        return
    assert "MARKETPLACE_ENV" in os.environ, "no stack: run the tests by `compose/local test [PATHS]`"
    yield load("cli")


@pytest.fixture
async def http(stack: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the edge's API."""
    async with httpx.AsyncClient(base_url=f"{str(stack.public_url).rstrip('/')}/api/v1", timeout=30) as client:
        yield client


@pytest.fixture
async def owner(stack: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the database's owner, to look at what workers stored."""
    connection = await asyncpg.connect(stack.database_url("cli"))
    yield connection
    await connection.close()


@pytest.fixture
def people(stack: Settings, http: httpx.AsyncClient) -> NewPeople:
    """`await people("mina", "anna", sellers=1)`: registered, verified, logged in; the first so many may sell."""

    async def arrive(*names: str, sellers: int = 0) -> list[Person]:
        tag = secrets.token_hex(4)
        found = [Person(http, f"{name}-{tag}") for name in names]
        for number, person in enumerate(found):
            await person.register()
            await person.verify(stack)
            await person.log_in()
            if number < sellers:
                await person.post("/users/me/seller")
                await person.log_in()
        return found

    return arrive
