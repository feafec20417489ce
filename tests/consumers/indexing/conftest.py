"""A shelf for each test, on the running stack."""

from collections.abc import AsyncIterator

import pytest

from compose.settings import Settings
from tests.consumers.indexing.shelf import Shelf, opened


@pytest.fixture(scope="module")
async def _shelf(stack: Settings) -> AsyncIterator[Shelf]:
    """The database and the door, for all tests of a file."""
    async with opened(stack) as made:
        yield made


@pytest.fixture
async def shelf(_shelf: Shelf) -> AsyncIterator[Shelf]:
    """An empty shelf."""
    yield _shelf
    await _shelf.clear()
