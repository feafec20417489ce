"""The edge's door to Kafka: what is asked gets its own answer, or is said to be pending, and is never lost in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord
from redis.asyncio import Redis

from compose.settings import Settings
from edge_api.edge import redis_of
from producers import commands as door
from producers.commands import Command, Commands, Pending, Unavailable
from producers.follower import Follower
from producers.producer import NotAcknowledged
from producers.reply_partition import Lease, LeaseLost, NoPartitionFree
from schemas import envelope
from schemas.envelope import Reply
from tests.edge_api.waiting import until
from tests.producers.stub_worker import Worker, echo, json_of, silence, working

pytestmark = pytest.mark.stack


@pytest.fixture
async def redis(stack: Settings) -> AsyncIterator[Redis]:
    client = redis_of(stack)
    yield client
    await client.aclose()


@asynccontextmanager
async def connected(stack: Settings, redis: Redis, *, wait: bool = True) -> AsyncIterator[Commands]:
    """A door that takes commands; `failures` holds what it calls fatal."""
    failures: list[BaseException] = []
    opened = Commands(stack, redis, fatal=failures.append)
    await opened.start()
    try:
        if wait:
            await until(lambda: opened.ready)
        yield opened
    finally:
        await opened.stop()
    assert not failures


@pytest.fixture
async def worker(stack: Settings) -> AsyncIterator[Worker]:
    async with working(stack) as found:
        yield found


@pytest.fixture
async def commands(stack: Settings, redis: Redis) -> AsyncIterator[Commands]:
    async with connected(stack, redis) as opened:
        yield opened


def said(answer: Reply | Pending) -> dict[str, Any]:
    assert isinstance(answer, Reply), answer
    found: dict[str, Any] = msgspec.json.decode(bytes(answer.answer))
    return found


async def test_a_command_gets_its_answer(commands: Commands, worker: Worker) -> None:
    command = worker.command(amount=150.25)

    answer = await commands.ask(command, wait_s=10)

    assert said(answer) == {"amount": 150.25}
    assert isinstance(answer, Reply)
    assert (answer.command_id, answer.outcome, answer.code) == (command.command_id, "accepted", "echoed")
    assert commands.in_flight == 0


async def test_a_command_says_who_speaks_and_where_to_answer(commands: Commands, worker: Worker) -> None:
    command = worker.command(key="k1", amount=1)._replace(traceparent="00-a-b-01", deadline_ms=1_800_000_000_000)

    await commands.ask(command, wait_s=10)

    [record] = worker.heard
    told = {name: value.decode() for name, value in record.headers}
    assert record.key == str(command.aggregate).encode()
    assert json_of(record)["commandType"] == "Echo"
    assert told["ce_type"] == "stub.echo.v1"
    assert told["ce_id"] == str(command.command_id)
    assert envelope.read_actor(told["actor"].encode()) == command.actor
    assert told["correlation-id"] == command.correlation_id
    assert told["traceparent"] == "00-a-b-01"
    assert told["fingerprint"] == command.fingerprint
    assert told["deadline"] == "1800000000000"
    assert int(told["reply-partition"]) < 16


async def test_the_first_answer_after_the_start_is_never_missed(stack: Settings, redis: Redis, worker: Worker) -> None:
    for _ in range(5):
        async with connected(stack, redis) as opened:
            assert said(await opened.ask(worker.command(first=True), wait_s=5)) == {"first": True}


async def test_many_at_once_each_get_their_own(commands: Commands, worker: Worker) -> None:
    answers = await asyncio.gather(*(commands.ask(worker.command(number=number), wait_s=10) for number in range(500)))

    assert [said(answer)["number"] for answer in answers] == list(range(500))


async def test_equal_commands_in_flight_share_one_wait(commands: Commands, worker: Worker) -> None:
    go = asyncio.Event()

    async def later(record: ConsumerRecord) -> dict[str, Any] | None:
        await go.wait()
        return await echo(record)

    worker.answer = later
    command = worker.command(key="same", amount=5)
    asking = [asyncio.create_task(commands.ask(_from_another(command), wait_s=10)) for _ in range(10)]
    await until(lambda: worker.heard)
    go.set()

    answers = await asyncio.gather(*asking)

    assert len(worker.heard) == 1
    assert {answer.command_id for answer in answers} == {command.command_id}


def _from_another(command: Command) -> Command:
    return command._replace(correlation_id=envelope.new_command_id().hex)


async def test_one_key_with_two_bodies_gets_two_answers_and_none_gets_the_others(
    commands: Commands, worker: Worker
) -> None:
    first, second = worker.command(key="k", amount=1), worker.command(key="k", amount=2)
    assert first.command_id == second.command_id

    answers = await asyncio.gather(commands.ask(first, wait_s=10), commands.ask(second, wait_s=10))

    assert [said(answer)["amount"] for answer in answers] == [1, 2]
    assert len(worker.heard) == 2


async def test_a_late_answer_to_an_earlier_asking_is_not_taken_for_the_next(commands: Commands, worker: Worker) -> None:
    worker.answer = silence
    first, second = worker.command(key="k", amount=1), worker.command(key="k", amount=2)
    assert isinstance(await commands.ask(first, wait_s=0.1), Pending)
    asking = asyncio.create_task(commands.ask(second, wait_s=10))
    await until(lambda: len(worker.heard) == 2)

    await worker.tell(worker.heard[0], {"amount": 1})
    await worker.tell(worker.heard[1], {"amount": 2})

    assert said(await asking) == {"amount": 2}


async def test_without_an_answer_in_time_it_is_pending_not_failed(commands: Commands, worker: Worker) -> None:
    worker.answer = silence
    command = worker.command(amount=1)

    answer = await commands.ask(command, wait_s=0.2)

    assert answer == Pending(command.command_id, "deadline")
    assert commands.in_flight == 0
    assert len(worker.heard) == 1


async def test_who_stops_asking_leaves_the_others_their_answer(commands: Commands, worker: Worker) -> None:
    go = asyncio.Event()

    async def later(record: ConsumerRecord) -> dict[str, Any] | None:
        await go.wait()
        return await echo(record)

    worker.answer = later
    command = worker.command(key="same", amount=5)
    impatient = asyncio.create_task(commands.ask(command, wait_s=10))
    await until(lambda: worker.heard)
    patient = asyncio.create_task(commands.ask(_from_another(command), wait_s=10))
    await until(lambda: commands.in_flight == 1 and not patient.done())
    impatient.cancel()
    go.set()

    assert said(await patient) == {"amount": 5}


async def test_an_answer_that_cannot_be_read_leaves_it_pending(commands: Commands, worker: Worker) -> None:
    async def nonsense(record: ConsumerRecord) -> dict[str, Any] | None:
        commands._take(record)  # A command is no reply.
        return None

    worker.answer = nonsense

    assert isinstance(await commands.ask(worker.command(amount=1), wait_s=0.5), Pending)


async def test_too_many_in_flight_are_refused_before_they_are_published(
    commands: Commands, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.answer = silence
    monkeypatch.setattr(door, "IN_FLIGHT_MAX", 3)
    asking = [asyncio.create_task(commands.ask(worker.command(number=number), wait_s=5)) for number in range(3)]
    await until(lambda: commands.in_flight == 3)

    with pytest.raises(Unavailable):
        await commands.ask(worker.command(number=4), wait_s=5)

    commands.give_up("stopping")
    assert all(isinstance(answer, Pending) for answer in await asyncio.gather(*asking))
    await until(lambda: len(worker.heard) == 3)


async def test_a_long_backlog_is_refused_before_publishing(
    commands: Commands, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands.backlog, "_lag", {worker.message.topic: 50_001})

    with pytest.raises(Unavailable) as raised:
        await commands.ask(worker.command(number=4), wait_s=5)

    assert raised.value.retry_after_s > 0
    assert not worker.heard


async def test_before_it_is_ready_nothing_is_published(stack: Settings, redis: Redis, worker: Worker) -> None:
    async with connected(stack, redis, wait=False) as opened:
        assert not opened.ready
        with pytest.raises(Unavailable):
            await opened.ask(worker.command(early=True), wait_s=5)
    assert not worker.heard


async def test_while_kafka_is_away_nothing_is_published(stack: Settings, redis: Redis) -> None:
    away = stack.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    async with connected(away, redis, wait=False) as opened, working(stack) as worker:
        with pytest.raises(Unavailable):
            await opened.ask(worker.command(early=True), wait_s=5)
        assert opened.trouble is not None


async def test_an_acknowledgement_that_fails_leaves_the_outcome_unknown(
    commands: Commands, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_args: object, **_more: object) -> "asyncio.Future[Any]":
        failing: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        failing.set_exception(NotAcknowledged("the broker went away"))
        return failing

    assert commands._producer is not None
    monkeypatch.setattr(commands._producer, "send", send)

    answer = await commands.ask(worker.command(amount=1), wait_s=10)

    assert isinstance(answer, Pending)
    assert answer.reason == "unknown"


async def test_a_broker_that_does_not_acknowledge_counts_as_away(
    commands: Commands, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_args: object, **_more: object) -> "asyncio.Future[Any]":
        never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        return never

    assert commands._producer is not None
    monkeypatch.setattr(commands._producer, "send", send)
    monkeypatch.setattr(door, "UNACKED_S_MAX", 0.05)
    assert isinstance(await commands.ask(worker.command(amount=1), wait_s=0.1), Pending)

    with pytest.raises(Unavailable):
        await commands.ask(worker.command(amount=2), wait_s=1)
    assert not commands.ready


async def test_what_is_appended_stands_on_the_topic_and_asks_nobody_to_answer(
    commands: Commands, worker: Worker
) -> None:
    command = worker.command(amount=1)

    await commands.append(command)

    await until(lambda: worker.heard)
    [record] = worker.heard
    assert json_of(record)["commandId"] == str(command.command_id)
    assert envelope.REPLY_PARTITION not in {name for name, _ in record.headers}


@pytest.mark.parametrize("fails", [True, False], ids=["refused by the broker", "never acknowledged"])
async def test_what_may_not_have_been_appended_is_said_to_be_so(
    commands: Commands,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
) -> None:
    def send(*_args: object, **_more: object) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if fails:
            future.set_exception(NotAcknowledged("the broker went away"))
        return future

    assert commands._producer is not None
    monkeypatch.setattr(commands._producer, "send", send)
    monkeypatch.setattr(door, "APPEND_TIMEOUT_S", 0.05)

    with pytest.raises(Unavailable):
        await commands.append(worker.command(amount=1))


async def test_a_lost_lease_makes_it_unready_until_it_has_another(
    stack: Settings, redis: Redis, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.reply_partition.LEASE_S", 0.3)
    worker.answer = silence
    async with connected(stack, redis) as opened:
        before = opened._replies.partition
        asking = asyncio.create_task(opened.ask(worker.command(amount=1), wait_s=10))
        await until(lambda: opened.in_flight == 1)
        await redis.set(f"reply-partition:{before}", "another process", px=5_000)

        answer = await asking
        await until(lambda: opened.ready and opened._replies.partition != before)

        assert isinstance(answer, Pending)
        worker.answer = echo
        assert said(await opened.ask(worker.command(amount=2), wait_s=5)) == {"amount": 2}
    await redis.delete(f"reply-partition:{before}")


async def test_who_stops_leaves_its_partition_to_others_though_kafka_lets_go_slowly(
    stack: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Follower.stop

    async def slowly(follower: Follower) -> None:
        await stop(follower)
        await asyncio.sleep(5)

    monkeypatch.setattr(Follower, "stop", slowly)
    async with connected(stack, redis) as opened:
        partition = opened._replies.partition

    assert await redis.get(f"reply-partition:{partition}") is None
    assert all(task.done() for task in opened._tasks)


async def test_no_two_processes_lease_one_partition(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    # The stack's own processes hold leases under the real names.
    monkeypatch.setattr("producers.reply_partition._key", lambda number: f"leased-in-a-test:{number}")
    few = [Lease(redis, 3) for _ in range(4)]
    taken = [await lease.take() for lease in few[:3]]
    with pytest.raises(NoPartitionFree):
        await few[3].take()
    await few[0].release(taken[0])

    assert sorted(taken) == [0, 1, 2]
    assert await few[3].take() == taken[0]
    with pytest.raises(LeaseLost):
        await few[0].renew(taken[0])
    await redis.delete(*(f"leased-in-a-test:{number}" for number in range(3)))


async def test_a_lease_that_expired_unseen_is_taken_up_again(redis: Redis) -> None:
    lease = Lease(redis, 1_000)
    partition = await lease.take()
    await redis.delete(f"reply-partition:{partition}")

    await lease.renew(partition)

    assert await redis.ttl(f"reply-partition:{partition}") > 0
    await lease.release(partition)
    assert await redis.get(f"reply-partition:{partition}") is None
