"""Wait for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

WITHIN_S = 20
STEP_S = 0.01

Found = TypeVar("Found")


async def until(true: Callable[[], object]) -> None:
    """Return when it is true; raises TimeoutError."""
    async with asyncio.timeout(WITHIN_S):
        while not true():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(STEP_S)


async def found(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """What a look finds at last; raises TimeoutError."""
    async with asyncio.timeout(WITHIN_S):
        while (seen := await look()) is None:  # noqa: ASYNC110
            await asyncio.sleep(STEP_S)
    return seen
