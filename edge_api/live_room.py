"""Those who watch one auction, and the order in which they hear of it: no gap, no repeat, however late they come."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from edge_api import live_metrics, live_views
from edge_api.live_frames import AliasOf, Event, Standing, frame_of
from edge_api.live_views import RESUMED_MAX
from schemas.envelope import print_time, time_ms
from schemas.pseudonym import pseudonym

WRITES_AT_ONCE = 500
"""Sockets written to before others get their turn of the event loop."""


class Watcher(Protocol):
    """One socket, as a room sees it."""

    wire: Callable[[bytes], None]
    """Queues whole frames for sending, past everything that only who is not a member needs; never blocks, never raises."""

    def write(self, frames: bytes, /) -> None:
        """Queue whole frames for sending; never blocks, never raises."""

    def alias_in(self, room: "Room") -> str | None:
        """The pseudonym of the person behind the socket in this auction."""


class Member(NamedTuple):
    """Who is written to: at ten thousand sockets each look into the watcher itself would miss the processor's cache."""

    wire: Callable[[bytes], None]
    known: int
    """The sequence up to which it knows everything already."""


class Told(NamedTuple):
    """One public event as it was sent."""

    seq: int
    previous: int
    frame: bytes


class Room:
    """One auction: its standing, its latest events, its watchers."""

    def __init__(self, auction_id: str, secret: bytes) -> None:
        self.auction_id = auction_id
        self.alias_of: AliasOf = lambda person: pseudonym(secret, auction_id, person)
        self.standing: Standing | None = None
        self.members: dict[Watcher, Member] = {}
        self.moved = 0
        """How often a member has left, or was brought up to now anew."""
        self.interested = 0
        """How many sockets are subscribed, those included that are too slow to be members now."""
        self.empty_since = time.monotonic()
        self.waiting: list[Event] = []
        """Events heard while something before them is still to be read."""
        self.mending = False
        self.ring: deque[Told] = deque(maxlen=RESUMED_MAX)
        self.too_far = -1
        """Who knows no more than up to here has missed more than a resume sends."""
        self._out: list[Told] = []
        self._flushing = False
        self._backfill = asyncio.Lock()

    @property
    def seq(self) -> int:
        """The last public event that went into the standing."""
        assert self.standing is not None
        return self.standing.seq

    def hear(self, event: Event) -> bool:
        """Take the next event of the tail; False when one before it is missing: it waits, and the room needs mending."""
        if self.standing is None or self.mending:
            self.waiting.append(event)
            return True
        if event.sequence <= self.seq:
            return True
        if (event.previous_public_sequence or 0) != self.seq:
            self.waiting.append(event)
            self.mending = True
            return False
        self._apply(event)
        return True

    def _apply(self, event: Event) -> None:
        assert self.standing is not None
        told = self._told(event)
        self.standing.evolve(event, self.alias_of)
        self.ring.append(told)
        self._out.append(told)

    def settle(self, standing: Standing | None = None) -> bool:
        """Go on with those that waited, from a standing read anew if one is given; False when one is still missing."""
        if standing is not None:
            self.standing = standing
            self.ring.clear()
        self.mending = False
        waiting, self.waiting = self.waiting, []
        for at, event in enumerate(waiting):
            if not self.hear(event):
                self.waiting.extend(waiting[at + 1 :])
                return False
        return True

    def fits(self, missing: Sequence[Event]) -> bool:
        """Whether events read from the log reach from the standing to the first one that waits."""
        if not 0 < len(missing) <= RESUMED_MAX:
            return False
        chain = [self.seq, *(event.sequence for event in missing)]
        following = [*missing, *self.waiting[:1]]
        return chain == [event.previous_public_sequence or 0 for event in following]

    def snapshot(self, watcher: Watcher) -> bytes:
        """The frame that tells a watcher how the auction stands."""
        assert self.standing is not None
        now = time_ms()
        return self.standing.snapshot(now_ms=now, now=print_time(now), your_alias=watcher.alias_in(self))

    def missed(self, last_seq: int) -> list[bytes] | None:
        """The frames after `last_seq`; None when they are not all at hand."""
        if last_seq == self.seq:
            return []
        frames = [told for told in self.ring if told.seq > last_seq]
        if not frames or frames[0].previous != last_seq:
            return None
        return [told.frame for told in frames]

    def reaches_back_to(self, last_seq: int) -> bool:
        """Whether nothing would be gained by reading older events for somebody who knows all up to `last_seq`."""
        return last_seq >= self._oldest or last_seq <= self.too_far

    @property
    def _oldest(self) -> int:
        return self.ring[0].previous if self.ring else self.seq

    async def read_back(self, db: live_views.Pool, last_seq: int) -> None:
        """Put the events after `last_seq` before the ring, as many as it holds; once for all who ask together."""
        async with self._backfill:
            if self.reaches_back_to(last_seq):
                return
            older = await live_views.events(db, self.auction_id, after=last_seq, upto=self._oldest)
            if len(older) + len(self.ring) > RESUMED_MAX:
                self.too_far = max(self.too_far, last_seq)
            elif older and older[-1].sequence == self._oldest:
                self.ring.extendleft(reversed([self._told(event) for event in older]))

    def _told(self, event: Event) -> Told:
        frame = frame_of(event, self.auction_id, self.alias_of)
        return Told(event.sequence, event.previous_public_sequence or 0, frame)

    def join(self, watcher: Watcher, frames: bytes) -> None:
        """Bring a watcher up to now with `frames`, then let it hear everything that follows."""
        watcher.write(frames)
        if watcher in self.members:
            self.moved += 1
        self.members[watcher] = Member(watcher.wire, self.seq)

    async def flush(self) -> None:
        """Write what was applied since the last time: one write for each watcher, however many events."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._out:
                told, self._out = self._out, []
                await self._write(told)
        finally:
            self._flushing = False

    async def _write(self, told: list[Told]) -> None:
        first, last = told[0].seq, told[-1].seq
        frames = _joined(told)
        live_metrics.FRAMES.inc(len(told) * len(self.members))
        todo = list(self.members.items())
        while True:
            for _, (wire, known) in todo[:WRITES_AT_ONCE]:
                if known < first:
                    wire(frames)
                elif known < last:
                    # It came between two of them.
                    wire(_joined([one for one in told if one.seq > known]))
            del todo[:WRITES_AT_ONCE]
            if not todo:
                return
            moved = self.moved
            await asyncio.sleep(0)
            if self.moved != moved:
                # Who left meanwhile hears no more; who came back, or was shown all anew, knows it already.
                todo = [(watcher, self.members[watcher]) for watcher, _ in todo if watcher in self.members]

    def leave(self, watcher: Watcher) -> None:
        """Let a watcher hear no more; one who is no member may leave too."""
        if self.members.pop(watcher, None) is not None:
            self.moved += 1

    def show_all(self) -> None:
        """Send every watcher the standing that was read anew: what they missed cannot be told event by event."""
        self._out.clear()
        for watcher in list(self.members):
            self.join(watcher, self.snapshot(watcher))


def _joined(told: Sequence[Told]) -> bytes:
    return b"".join([one.frame for one in told]) if len(told) > 1 else told[0].frame
