"""A stage for each test of the runtime."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from compose.settings import Settings
from tests.consumers.runtime.trial import Stage, staged


@pytest.fixture
async def stage(stack: Settings, tmp_path: Path) -> AsyncIterator[Stage]:
    """Topics, a schema and processes of this test alone."""
    async with staged(stack, tmp_path) as stage:
        yield stage
