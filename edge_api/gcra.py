"""The Generic Cell Rate Algorithm: a limit of N per period without a window that jumps, one number kept per caller."""

from typing import NamedTuple


class Limit(NamedTuple):
    """At most `requests` in a burst, and as many per `period_s` in the long run."""

    name: str
    requests: int
    period_s: int

    @property
    def period_ms(self) -> float:
        """The period in milliseconds: also how far the arrival time may run ahead."""
        return self.period_s * 1000.0

    @property
    def interval_ms(self) -> float:
        """Milliseconds after which one more request is earned."""
        return self.period_ms / self.requests


class Verdict(NamedTuple):
    """What a limit says to one request; times in seconds."""

    limit: Limit
    allowed: bool
    remaining: int
    reset_s: float
    """Until the whole burst may be used again."""
    retry_s: float
    """Until one request is allowed again; 0 when this one is."""


def arrive(limit: Limit, arrival_ms: float | None, now_ms: float) -> tuple[bool, float]:
    """Whether a request at `now_ms` conforms, and the theoretical arrival time to keep; limits.lua does the same."""
    earliest = now_ms if arrival_ms is None or arrival_ms < now_ms else arrival_ms
    following = earliest + limit.interval_ms
    if following - now_ms > limit.period_ms + SLACK_MS:
        return False, earliest
    return True, following


SLACK_MS = 0.001
"""Sums of fractions of milliseconds must not cost the last request of a burst."""


def verdict(limit: Limit, allowed: bool, arrival_ms: float, now_ms: float) -> Verdict:  # noqa: FBT001  a value, no switch
    """What is left to the caller whose theoretical arrival time is `arrival_ms` now."""
    ahead_ms = max(0.0, arrival_ms - now_ms)
    remaining = int((limit.period_ms - ahead_ms + SLACK_MS) // limit.interval_ms)
    retry_ms = 0.0 if allowed else ahead_ms + limit.interval_ms - limit.period_ms
    return Verdict(limit, allowed, max(0, remaining) if allowed else 0, ahead_ms / 1000, max(0.0, retry_ms) / 1000)
