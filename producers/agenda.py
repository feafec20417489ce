"""What the clock has to say and when: each end at its time, and again while its auction is still open."""

import heapq
from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID, uuid5

AGAIN_MS_MAX: Final = 60_000


class End(NamedTuple):
    """When an auction is to end (ms)."""

    auction_id: UUID
    at_ms: int


def attempt_at(late_ms: int) -> int:
    """Which attempt a moment this long after the end belongs to: 0, then one more at 1, 2, 4 ... 32 s and each minute."""
    if late_ms < 1000:
        return 0
    if late_ms < AGAIN_MS_MAX:
        return (late_ms // 1000).bit_length()
    return 6 + late_ms // AGAIN_MS_MAX


def command_id(end: End, attempt: int) -> UUID:
    """The same for every clock that says this, before and after a restart."""
    return uuid5(end.auction_id, f"close:{end.at_ms}:{attempt}")


def late_at(attempt: int) -> int:
    """How long after the end an attempt begins, ms."""
    if attempt == 0:
        return 0
    return 1000 << attempt - 1 if attempt <= 6 else (attempt - 6) * AGAIN_MS_MAX


class Agenda:
    """What is to be said when: each known end waits for its next attempt."""

    def __init__(self) -> None:
        self._next: dict[End, int] = {}
        # Entries whose time is no longer that of their end in `_next` are passed over.
        self._waiting: list[tuple[int, End]] = []

    def __len__(self) -> int:
        return len(self._next)

    def learn(self, ends: Iterable[End]) -> None:
        """Take note of ends, known ones or not."""
        for end in ends:
            if end not in self._next:
                self._wait(end, end.at_ms)

    def keep_only(self, ends: Iterable[End], *, until_ms: int) -> None:
        """These are all that is still open of what ends up to `until_ms`: forget what was closed or extended."""
        still = set(ends)
        self._next = {end: at for end, at in self._next.items() if end.at_ms > until_ms or end in still}
        self.learn(still)

    def due(self, now_ms: int) -> list[tuple[End, int]]:
        """Take what is to be said now, with its attempt; each comes again at its next one."""
        due = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            at_ms, end = heapq.heappop(self._waiting)
            if self._next.get(end) == at_ms:
                attempt = attempt_at(now_ms - end.at_ms)
                due.append((end, attempt))
                self._wait(end, end.at_ms + late_at(attempt + 1))
        return due

    def unsaid(self, due: Iterable[tuple[End, int]]) -> None:
        """The broker may not have these: they are due at once again."""
        for end, _ in due:
            self._wait(end, end.at_ms)

    def _wait(self, end: End, at_ms: int) -> None:
        self._next[end] = at_ms
        heapq.heappush(self._waiting, (at_ms, end))

    def next_ms(self) -> int | None:
        """When something is to be said next."""
        return self._waiting[0][0] if self._waiting else None
