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

PARTS = ("stack", "own", "none")
OF_ITS_OWN = {"house", "stage", "office"}
"""Fixtures that give a test topics, tables and processes, or a whole stack, of its own."""
SERVED = {"stack", "faults"}
"""The fixtures and markers of tests that need servers."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--part`: the suite in parts that may run beside each other."""
    parser.addoption(
        "--part", choices=PARTS, help="only tests on the shared stack, with processes of their own, or without servers"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other parts, if only one is wanted."""
    wanted = config.getoption("--part")
    if wanted is None:
        return
    others = [item for item in items if _part_of(item) != wanted]
    config.hook.pytest_deselected(items=others)
    left_out = set(others)
    items[:] = [item for item in items if item not in left_out]


def _part_of(item: pytest.Item) -> str:
    names = {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())}
    if "quick" in names:
        return "none"
    if names & OF_ITS_OWN:
        return "own"
    return "stack" if names & SERVED else "none"


@pytest.fixture(scope="session")
def stack() -> Iterator[Settings]:
    """Settings of the running test stack.

    `compose/local test` starts the stack and names its environment file in MARKETPLACE_ENV; with TEST_STACK=containers the
    same processes run in containers instead.
    """
    if containers.CHOSEN:
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
