"""What tests of bids ask for: a conversation with the running worker."""

from collections.abc import AsyncIterator

import pytest

from compose.settings import Settings
from tests.consumers.bids.talk import Talk


@pytest.fixture(scope="session")
async def talk(stack: Settings) -> AsyncIterator[Talk]:
    """Commands to the stack's bids worker, and its replies."""
    conversation = Talk(stack)
    await conversation.open()
    yield conversation
    await conversation.close()
