"""The SendGrid stand-in that these tests speak to, and a post office of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from compose.settings import Settings
from tests.compose.sandboxes.conftest import _standin, standin
from tests.compose.sandboxes.standin import Standin
from tests.consumers.notifications.office import Office, opened

__all__ = ["_standin", "standin"]


@pytest.fixture
async def office(stack: Settings, standin: Standin, tmp_path: Path) -> AsyncIterator[Office]:
    """A post office without letters and without runners."""
    async with opened(stack, standin, tmp_path) as made:
        yield made
