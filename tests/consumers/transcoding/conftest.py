"""What tests of transcoding ask for: the stack's S3, directly or by a way that fails."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from compose.settings import Settings
from consumers.transcoding.gateway import Objects


@pytest.fixture
async def objects(stack: Settings) -> AsyncIterator[Objects]:
    """The stack's S3."""
    made = Objects(stack)
    yield made
    made.close()


@pytest.fixture
def key() -> str:
    """A key that no other test uses; nothing of the product looks there."""
    return f"of-tests/{uuid4()}"
