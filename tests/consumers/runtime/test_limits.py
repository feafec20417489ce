"""Outages, limits and faults that are made on purpose."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError, OutOfOrderSequenceNumber

from consumers.runtime import (
    faultpoints,
)
from consumers.runtime.dead import Burial, DeadLetters, Flooded
from consumers.runtime.outage import Backoff, is_fatal, is_outage
from tests.consumers.runtime.builders import Record

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (KafkaConnectionError(), True),
        (asyncpg.exceptions.AdminShutdownError(), True),
        (asyncpg.exceptions.DiskFullError(), True),
        (asyncpg.exceptions.DeadlockDetectedError(), True),
        (asyncpg.exceptions.ConnectionDoesNotExistError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.exceptions.UniqueViolationError(), False),
        (asyncpg.exceptions.UndefinedTableError(), False),
        (asyncpg.exceptions.DataError("invalid input for query argument $1"), False),
        (KeyError(), False),
    ],
)
def test_an_outage_is_told_from_a_bug(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage
    assert not is_fatal(error)


def test_a_producer_that_lost_its_place_needs_a_new_process() -> None:
    assert is_fatal(OutOfOrderSequenceNumber())


def test_waiting_grows_with_the_outage_up_to_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff = Backoff()
    backoff._since = 0
    for lasted_s, least, most in [(0, 0.04, 0.06), (4, 0.8, 1.2), (1000, 24, 36)]:
        monkeypatch.setattr("consumers.runtime.outage.time.monotonic", lambda lasted_s=lasted_s: lasted_s)
        assert least <= backoff.delay_s() <= most


@dataclass
class Sending:
    sent: list[Any] = field(default_factory=list)

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        self.sent.append((args, kwargs))
        return future


async def test_more_than_one_in_a_hundred_dead_letters_stop_an_inbox() -> None:
    letters = DeadLetters(Sending(), topic="commands", group="processors")
    burial = Burial(Record(b"{}"), "undecodable")

    for _ in range(100):
        letters.count(50)
        await letters.put([burial])

    letters.count(50)
    with pytest.raises(Flooded, match="101 of"):
        await letters.put([burial])


async def test_fewer_dead_letters_than_one_in_a_hundred_stop_nothing() -> None:
    sending = Sending()
    letters = DeadLetters(sending, topic="commands", group="processors")

    for _ in range(500):
        letters.count(200)
        await letters.put([Burial(Record(b"{}"), "undecodable")])

    assert len(sending.sent) == 500


def test_fault_points_cost_nothing_and_do_nothing_when_off() -> None:
    faultpoints.install({})
    assert faultpoints.hit is faultpoints._nothing


def test_fault_points_fire_at_the_moment_they_are_set_to(tmp_path: Path) -> None:
    trigger = tmp_path / "now"
    faultpoints.install({"FAULT_POINTS": f"committed=error:#2, published=error:{trigger}, decided=error:0"})
    try:
        faultpoints.hit("committed")
        with pytest.raises(faultpoints.InjectedFault):
            faultpoints.hit("committed")
        for _ in range(3):
            faultpoints.hit("committed")
            faultpoints.hit("published")
            faultpoints.hit("decided")
        trigger.touch()
        with pytest.raises(faultpoints.InjectedFault):
            faultpoints.hit("published")
        faultpoints.hit("published")
    finally:
        faultpoints.install({})


@pytest.mark.parametrize("text", ["nowhere=kill", "committed=explode", "committed=kill:often", "committed"])
def test_fault_points_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault point|could not convert"):
        faultpoints.parse(text)
