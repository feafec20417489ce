"""Waiting for what a test has set going, with an end."""

import select
import time
from collections.abc import Callable


def until(condition: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Looks until `condition` holds; returns how long that took, in seconds. Fails the test when it never does."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds} s"
        select.select([], [], [], 0.005)
    return time.monotonic() - began
