"""Say what is wrong every few seconds while it lasts, not at each of many tries."""

import time

EVERY_S = 3.0


class Sparingly:
    """Whether it is time to say it again."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._said_at = float("-inf")

    def due(self) -> bool:
        """True at most once in EVERY_S."""
        now = time.monotonic()
        if now - self._said_at < EVERY_S:
            return False
        self._said_at = now
        return True
