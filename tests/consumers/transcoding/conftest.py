"""What tests of transcoding ask for: the stack's S3, a conversation with the workers, and what they told."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from compose.settings import Settings
from consumers.transcoding.gateway import Objects
from tests.consumers.bids.talk import Talk


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


@pytest.fixture
async def talk(stack: Settings) -> AsyncIterator[Talk]:
    """Commands to the stack's workers, and their replies."""
    conversation = Talk(stack)
    await conversation.open()
    yield conversation
    await conversation.close()
