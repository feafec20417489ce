"""A room of watchers: whoever comes, leaves or comes back, hears every event once and in order."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from edge_api import live_views
from edge_api.live_frames import Event
from edge_api.live_room import WRITES_AT_ONCE, Room
from edge_api.live_views import RESUMED_MAX
from tests.edge_api.watching import ANNA, BEN, LAMP, SECRET, Watcher, bid, room, standing

pytestmark = pytest.mark.quick


class Log:
    """Stands in for the events in Postgres."""

    def __init__(self, events: list[Event]) -> None:
        self.told = events
        self.asked: list[tuple[int, int]] = []

    async def events(self, _db: object, _auction: str, *, after: int, upto: int) -> list[Event]:
        self.asked.append((after, upto))
        return [event for event in self.told if after < event.sequence <= upto][: RESUMED_MAX + 1]


@pytest.fixture
def db() -> Any:
    return object()


def chain(first: int, last: int) -> list[Event]:
    return [bid(seq, seq - 1, ANNA, f"{100 + seq}.00") for seq in range(first, last + 1)]


async def test_a_watcher_hears_what_happens_after_its_snapshot() -> None:
    lamp, anna = room(), Watcher()

    lamp.join(anna, lamp.snapshot(anna))
    lamp.hear(bid(2, 1, ANNA, "120.00"))
    lamp.hear(bid(4, 2, BEN, "130.00"))
    await lamp.flush()

    assert [(frame["event"], frame["seq"], frame.get("prevSeq")) for frame in anna.frames] == [
        ("snapshot", 1, None),
        ("bid_placed", 2, 1),
        ("bid_placed", 4, 2),
    ]


async def test_events_that_came_together_are_written_together() -> None:
    lamp, anna = room(), Watcher()
    lamp.join(anna, b"")

    for event in chain(2, 6):
        lamp.hear(event)
    await lamp.flush()

    assert len(anna.writes) == 2
    assert anna.sequences == [2, 3, 4, 5, 6]


async def test_an_event_told_twice_is_heard_once() -> None:
    lamp, anna = room(), Watcher()
    lamp.join(anna, b"")

    for event in [*chain(2, 4), *chain(2, 5)]:
        lamp.hear(event)
    await lamp.flush()

    assert anna.sequences == [2, 3, 4, 5]


async def test_what_came_while_the_auction_was_read_follows_what_was_read() -> None:
    lamp = Room(LAMP, SECRET)
    for event in chain(2, 5):
        assert lamp.hear(event)

    assert lamp.settle(standing(3))

    assert lamp.seq == 5
    assert [told.seq for told in lamp.ring] == [4, 5]


async def test_an_event_whose_predecessor_is_missing_waits_for_it() -> None:
    lamp, anna = room(), Watcher()
    lamp.join(anna, b"")

    assert not lamp.hear(bid(4, 3, ANNA, "130.00"))
    assert lamp.hear(bid(5, 4, ANNA, "140.00"))
    await lamp.flush()
    assert anna.sequences == []

    missing = chain(2, 3)
    assert lamp.fits(missing)
    lamp.waiting[:0] = missing
    assert lamp.settle()
    await lamp.flush()
    assert anna.sequences == [2, 3, 4, 5]


async def test_events_with_a_hole_do_not_fill_a_gap() -> None:
    lamp = room()
    lamp.hear(bid(5, 4, ANNA, "130.00"))

    assert not lamp.fits([])
    assert not lamp.fits(chain(3, 4))
    assert not lamp.fits(chain(2, 3))
    assert lamp.fits(chain(2, 4))


async def test_a_gap_behind_a_gap_waits_again() -> None:
    lamp = room()
    lamp.hear(bid(3, 2, ANNA, "120.00"))
    lamp.hear(bid(6, 5, ANNA, "150.00"))
    lamp.hear(bid(7, 6, ANNA, "160.00"))

    lamp.waiting[:0] = chain(2, 2)

    assert not lamp.settle()
    assert lamp.seq == 3
    assert lamp.mending
    assert [event.sequence for event in lamp.waiting] == [6, 7]


async def test_whoever_comes_back_gets_what_was_missed_and_nothing_else() -> None:
    lamp = room(*chain(2, 9))

    missed = lamp.missed(6)

    assert missed is not None
    watcher = Watcher()
    lamp.join(watcher, b"".join(missed))
    assert watcher.sequences == [7, 8, 9]
    assert lamp.missed(9) == []


async def test_a_sequence_that_never_was_public_cannot_be_resumed_from() -> None:
    lamp = room(bid(2, 1, ANNA, "120.00"), bid(5, 2, ANNA, "130.00"))

    assert lamp.missed(3) is None
    assert lamp.missed(99) is None


async def test_older_events_are_read_once_for_all_who_ask(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(chain(2, 60))
    monkeypatch.setattr(live_views, "events", log.events)
    lamp = room(*chain(51, 60), at=50)

    assert not lamp.reaches_back_to(20)
    await lamp.read_back(db, 20)
    await lamp.read_back(db, 20)

    assert log.asked == [(20, 50)]
    missed = lamp.missed(20)
    assert missed is not None
    assert len(missed) == 40


async def test_too_many_missed_events_are_not_resumed_and_not_read_again(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(chain(2, 260))
    monkeypatch.setattr(live_views, "events", log.events)
    lamp = room(*chain(251, 260), at=250)

    await lamp.read_back(db, 30)

    assert lamp.missed(30) is None
    assert lamp.reaches_back_to(30)
    assert not lamp.reaches_back_to(100)
    await lamp.read_back(db, 60)
    missed = lamp.missed(60)
    assert missed is not None
    assert len(missed) == RESUMED_MAX


async def test_the_ring_keeps_the_newest_two_hundred() -> None:
    lamp = room(*chain(2, 400))

    assert len(lamp.ring) == RESUMED_MAX
    assert lamp.missed(200) is not None
    assert lamp.missed(199) is None


async def test_a_crowd_hears_everything_in_order_while_people_come_and_go() -> None:
    lamp = room()
    crowd = [Watcher() for _ in range(2 * WRITES_AT_ONCE + 7)]
    for watcher in crowd:
        lamp.join(watcher, b"")
    leaver, latecomer = crowd[-1], Watcher()

    lamp.hear(bid(2, 1, ANNA, "120.00"))
    writing = lamp.flush()
    writing.send(None)
    lamp.leave(leaver)
    lamp.hear(bid(3, 2, BEN, "130.00"))
    lamp.join(latecomer, lamp.snapshot(latecomer))
    with suppress(StopIteration):
        while True:
            writing.send(None)

    assert {tuple(watcher.sequences) for watcher in crowd[:-1]} == {(2, 3)}
    assert leaver.sequences == []
    assert latecomer.sequences == [3]


async def test_what_comes_while_a_crowd_is_written_to_does_not_overtake() -> None:
    lamp = room()
    crowd = [Watcher() for _ in range(3 * WRITES_AT_ONCE)]
    leavers, stayers = crowd[: WRITES_AT_ONCE + 100], crowd[WRITES_AT_ONCE + 100 :]
    for watcher in crowd:
        lamp.join(watcher, b"")

    lamp.hear(bid(2, 1, ANNA, "120.00"))
    first = asyncio.create_task(lamp.flush())
    await asyncio.sleep(0)
    for watcher in leavers:  # Those behind them move up: a second round would reach some before the first does.
        lamp.leave(watcher)
    lamp.hear(bid(3, 2, BEN, "130.00"))
    await asyncio.gather(first, lamp.flush())

    assert {tuple(watcher.sequences) for watcher in stayers} == {(2, 3)}


async def test_whoever_comes_between_two_events_hears_only_what_follows() -> None:
    lamp = Room(LAMP, SECRET)
    for event in chain(2, 6):
        lamp.hear(event)
    assert lamp.settle(standing(4))
    early, late = Watcher(), Watcher()

    lamp.join(early, lamp.snapshot(early))
    lamp.hear(bid(7, 6, ANNA, "170.00"))
    lamp.join(late, lamp.snapshot(late))
    lamp.hear(bid(8, 7, BEN, "180.00"))
    await lamp.flush()

    assert early.sequences == [6, 7, 8]
    assert late.sequences == [7, 8]


async def _written_while(happens: Callable[[Room, list[Watcher]], None]) -> list[tuple[int, ...]]:
    """What a crowd hears of one event when something happens once the first of it have been written to."""
    lamp = room()
    crowd = [Watcher() for _ in range(WRITES_AT_ONCE + 7)]
    for watcher in crowd:
        lamp.join(watcher, b"")
    lamp.hear(bid(2, 1, ANNA, "120.00"))
    writing = lamp.flush()
    writing.send(None)
    happens(lamp, crowd)
    with suppress(StopIteration):
        while True:
            writing.send(None)
    return [tuple(watcher.sequences) for watcher in crowd]


async def test_who_asks_anew_while_a_crowd_is_written_to_hears_nothing_twice() -> None:
    heard = await _written_while(lambda lamp, crowd: lamp.join(crowd[-1], lamp.snapshot(crowd[-1])))

    assert set(heard) == {(2,)}


async def test_an_auction_read_anew_while_a_crowd_is_written_to_is_the_last_they_hear() -> None:
    def read_anew(lamp: Room, _crowd: list[Watcher]) -> None:
        lamp.settle(standing(300))
        lamp.show_all()

    heard = await _written_while(read_anew)

    assert set(heard[:WRITES_AT_ONCE]) == {(2, 300)}
    assert set(heard[WRITES_AT_ONCE:]) == {(300,)}


async def test_an_auction_read_anew_is_shown_to_everybody() -> None:
    lamp, anna = room(), Watcher()
    lamp.join(anna, b"")
    lamp.hear(bid(2, 1, ANNA, "120.00"))

    assert lamp.settle(standing(300))
    lamp.show_all()
    await lamp.flush()

    assert [(frame["event"], frame["seq"]) for frame in anna.frames] == [("snapshot", 300)]
