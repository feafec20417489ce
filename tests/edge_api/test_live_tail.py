"""The tail of a topic: begins at its end, waits for a broker that is away, and says so when something is lost for good."""

import asyncio
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from edge_api import live_tail
from edge_api.live_tail import Tail
from producers.follower import Heard, Lost, Place

pytestmark = pytest.mark.quick

ONE, TWO = (("auction-events", partition) for partition in range(2))
OTHERS = [(topic, partition) for topic in ("video-events", "payment-events") for partition in range(2)]


class Broker:
    """A follower of Kafka as its answers have it, one after the other; then nothing more comes."""

    def __init__(self) -> None:
        self.starts: list[Exception | None] = []
        self.skips: list[Exception | None] = []
        self.answers: list[list[Heard] | Lost] = []
        self.skipped: list[Place] = []
        self.drained = asyncio.Event()
        self.stopped = 0
        self.polled_at = 0.0

    async def start(self, places: Iterable[Place]) -> None:
        assert list(places) == [ONE, TWO, *OTHERS]
        if self.starts and (failure := self.starts.pop(0)):
            raise failure

    async def stop(self) -> None:
        self.stopped += 1

    async def skip(self, places: Iterable[Place]) -> None:
        if self.skips and (failure := self.skips.pop(0)):
            raise failure
        self.skipped += places

    def end_of(self, _place: Place) -> int:
        return 0

    async def next(self, *, timeout_s: float) -> list[Heard]:
        assert timeout_s > 0
        if not self.answers:
            self.drained.set()
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Lost):
            raise answer
        return answer


class Listener:
    """A tail of that broker, and what it heard."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.heard: list[int] = []
        self.losses = 0
        settings: Any = SimpleNamespace(kafka_bootstrap="nowhere:1", partitions=2)
        self.tail = Tail(settings, self.hear, self.lose)

    async def hear(self, records: Sequence[Heard]) -> None:
        self.heard += [record.offset for record in records]

    def lose(self) -> None:
        self.losses += 1

    async def until_drained(self) -> None:
        following = asyncio.create_task(self.tail.follow())
        async with asyncio.timeout(5):
            await self.broker.drained.wait()
        following.cancel()
        await asyncio.wait([following])


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    played = Broker()

    async def there(*_: object) -> None:
        return None

    monkeypatch.setattr(live_tail, "Follower", lambda *_args, **_more: played)
    monkeypatch.setattr(live_tail, "wait_for_topics", there)
    return Listener(played)


def records(*offsets: int) -> list[Heard]:
    return [Heard("auction-events", 0, offset, 0, b"", b"", []) for offset in offsets]


async def test_it_is_ready_once_it_stands_at_every_end(listener: Listener) -> None:
    assert not listener.tail.ready

    await listener.until_drained()

    assert listener.tail.ready
    assert listener.broker.stopped == 1


async def test_it_hears_every_record_in_order(listener: Listener) -> None:
    listener.broker.answers = [records(7, 8), [], records(9)]

    await listener.until_drained()

    assert listener.heard == [7, 8, 9]


async def test_it_waits_for_a_broker_that_is_not_there_yet(listener: Listener) -> None:
    listener.broker.starts = [ConnectionError("away"), ConnectionRefusedError(), None]

    await listener.until_drained()

    assert listener.tail.ready
    assert listener.broker.stopped == 3


async def test_what_the_broker_threw_away_is_passed_over_and_said(listener: Listener) -> None:
    listener.broker.answers = [records(7), Lost([TWO]), records(40)]
    listener.broker.skips = [ConnectionError("away"), None]

    await listener.until_drained()

    assert (listener.heard, listener.losses) == ([7, 40], 1)
    assert listener.broker.skipped == [TWO]
