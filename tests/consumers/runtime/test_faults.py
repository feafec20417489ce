"""Killed, stopped, fenced, stopped gently: nothing is lost, nothing happens twice."""

import asyncio
import signal
import time
from uuid import UUID

import pytest

from consumers.runtime.inbox import SESSION_MS
from tests.consumers.runtime.trial import Stage, counter_of, until

pytestmark = [pytest.mark.stack, pytest.mark.faults]

POINTS = ["polled", "decided", "committed", "published", "replied", "offset-committed"]


async def send_many(stage: Stage, counters: list[UUID], times: int) -> list[UUID]:
    return [
        await stage.count(1, counter=counter, partition=number % 3)
        for _ in range(times)
        for number, counter in enumerate(counters)
    ]


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_anywhere_leaves_one_outcome_per_command(stage: Stage, point: str) -> None:
    counters = [counter_of(number) for number in range(3)]
    doomed = await stage.running(FAULT_POINTS=f"{point}=kill:#2")
    ids = await send_many(stage, counters, 5)
    assert await doomed.ended() == -signal.SIGKILL
    ids += await send_many(stage, counters, 5)

    await stage.running()

    await stage.decided(*ids)
    await stage.answers(*ids)
    await stage.check_history()


@pytest.mark.parametrize("point", POINTS)
async def test_a_failure_anywhere_is_taken_up_by_the_same_process(stage: Stage, point: str) -> None:
    counters = [counter_of(number) for number in range(3)]
    await stage.running(FAULT_POINTS=f"{point}=error:#2")

    ids = await send_many(stage, counters, 10)

    await stage.decided(*ids)
    await stage.answers(*ids)
    await stage.check_history()


async def test_an_effect_after_the_commit_that_fails_is_had_by_the_takeover_and_nothing_stays_untold(
    stage: Stage,
) -> None:
    await stage.running()
    (stage.folder / "note-fails").touch()

    ids = await send_many(stage, [counter_of(0)], 3)

    await stage.decided(*ids)
    await stage.answers(*ids)
    assert set((stage.folder / "noted").read_text().split()) == {str(one) for one in ids}
    await stage.check_history()


async def test_a_zombie_can_change_nothing(stage: Stage) -> None:
    counters = [counter_of(number) for number in range(3)]
    zombie = await stage.running(slot=1)
    before = await send_many(stage, counters, 3)
    await stage.decided(*before)
    zombie.send(signal.SIGSTOP)
    during = await send_many(stage, counters, 3)

    await stage.start(slot=2)
    await stage.decided(*during)
    after = await send_many(stage, counters, 3)
    zombie.send(signal.SIGCONT)
    after += await send_many(stage, counters, 20)

    await stage.decided(*after)
    await stage.answers(*before, *during, *after)
    await until(zombie.ready)
    await stage.check_history()


async def test_a_worker_stopped_inside_its_transaction_is_cut_off(stage: Stage) -> None:
    counter = counter_of(0)
    await stage.running(slot=1)
    await stage.decided(await stage.count(counter=counter, partition=0))
    holder = await asyncio.wait_for(stage.hold_offsets(), 10)

    await stage.running(slot=2)

    command_id = await stage.count(counter=counter, partition=0)
    await stage.decided(command_id)
    assert holder.is_closed() or await until(lambda: stage.is_cut_off(holder))


async def test_two_members_share_and_hand_over_without_loss(stage: Stage) -> None:
    counters = [counter_of(number) for number in range(3)]
    await stage.running(slot=1)
    ids = await send_many(stage, counters, 5)
    second = await stage.running(slot=2)
    ids += await send_many(stage, counters, 5)
    second.send(signal.SIGTERM)
    ids += await send_many(stage, counters, 5)

    await stage.decided(*ids)
    await stage.answers(*ids)
    await stage.check_history()


async def test_a_member_that_leaves_for_good_is_not_waited_for(stage: Stage) -> None:
    counters = [counter_of(number) for number in range(3)]
    await stage.running(slot=1)
    second = await stage.running(slot=2)
    second.send(signal.SIGUSR1)
    second.send(signal.SIGTERM)
    assert await second.ended() == 0

    began = time.monotonic()
    ids = await send_many(stage, counters, 1)
    await stage.decided(*ids)

    assert time.monotonic() - began < SESSION_MS / 1000 - 1
    await stage.check_history()


async def test_a_worker_killed_while_it_lets_go_loses_nothing(stage: Stage) -> None:
    counters = [counter_of(number) for number in range(3)]
    doomed = await stage.running(slot=1, FAULT_POINTS="in-revoke=kill:#3")
    ids = await send_many(stage, counters, 5)

    await stage.start(slot=2)

    assert await doomed.ended(within_s=20) == -signal.SIGKILL
    ids += await send_many(stage, counters, 5)
    await stage.decided(*ids)
    await stage.check_history()


async def test_a_worker_asked_to_stop_ends_within_five_seconds_with_nothing_in_hand(stage: Stage) -> None:
    counters = [counter_of(number) for number in range(3)]
    worker = await stage.running()
    ids = await send_many(stage, counters, 30)

    worker.send(signal.SIGTERM)

    assert await worker.ended(within_s=5) == 0
    rows = {row["command_id"] for row in await stage.log()}
    told = {record.key for record in await stage.events()}
    assert rows <= set(ids)
    assert len(await stage.events()) == len(rows), told
    await stage.running()
    await stage.decided(*ids)
    await stage.check_history()


async def test_a_process_that_still_waits_for_its_topics_can_be_stopped(stage: Stage) -> None:
    worker = await stage.start(KAFKA_BOOTSTRAP="127.0.0.1:1")

    async def says_so() -> bool:
        return any("waiting for Kafka at 127.0.0.1:1" in line["event"] for line in worker.lines())

    await until(says_so)
    worker.send(signal.SIGTERM)

    assert await worker.ended(within_s=5) == 0
