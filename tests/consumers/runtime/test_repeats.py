"""A command that comes again gets the stored answer; an id used for something else is told so; names stay unique."""

import json
from uuid import uuid4

import pytest

from consumers.runtime.outcomes import id_of_conflict
from tests.consumers.runtime.trial import Stage, counter_of

pytestmark = pytest.mark.stack

ONE = b"1" * 32
OTHER = b"2" * 32


async def test_a_command_that_comes_again_is_not_decided_again_but_answered_alike(stage: Stage) -> None:
    await stage.running()
    counter = counter_of(0)
    command_id = await stage.count(5, counter=counter, partition=0, fingerprint=ONE)
    await stage.decided(command_id)

    await stage.count(5, counter=counter, partition=0, command_id=command_id, fingerprint=ONE, reply_partition=1)

    first, again = (await stage.answers(command_id, at_least=2))[command_id]
    assert (first.value, first.partition, again.partition) == (again.value, 0, 1)
    assert len(await stage.log()) == 1
    await stage.check_history()


async def test_a_command_sent_twice_at_once_is_decided_once(stage: Stage) -> None:
    counter = counter_of(0)
    command_id = uuid4()
    for _ in range(3):
        await stage.count(5, counter=counter, partition=0, command_id=command_id, fingerprint=ONE)

    await stage.running()

    answers = (await stage.answers(command_id, at_least=3))[command_id]
    assert len({answer.value for answer in answers}) == 1
    assert len(await stage.log()) == 1


async def test_an_old_command_is_recognised_by_a_process_that_never_saw_it(stage: Stage) -> None:
    first = await stage.running()
    counter = counter_of(0)
    ids = [await stage.count(counter=counter, partition=0) for _ in range(3)]
    await stage.decided(*ids)
    first.process.kill()
    await first.ended()

    await stage.running()
    for command_id in ids:
        await stage.count(counter=counter, partition=0, command_id=command_id)

    answers = await stage.answers(*ids, at_least=2)
    assert all(len({answer.value for answer in found}) == 1 for found in answers.values())
    assert len(await stage.log()) == 3
    await stage.check_history()


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_id_used_for_something_else_is_refused_and_the_first_outcome_stays(
    stage: Stage, at_once: bool
) -> None:
    counter = counter_of(0)
    command_id = uuid4()
    if not at_once:
        await stage.running()
    await stage.count(5, counter=counter, partition=0, command_id=command_id, fingerprint=ONE)
    if not at_once:
        await stage.decided(command_id)
    await stage.count(7, counter=counter, partition=0, command_id=command_id, fingerprint=OTHER)
    await stage.count(7, counter=counter, partition=0, command_id=command_id, fingerprint=OTHER)
    if at_once:
        await stage.running()

    answers = (await stage.answers(command_id, at_least=3))[command_id]

    outcomes = [json.loads(answer.value) for answer in answers]
    assert [one["code"] for one in outcomes] == ["counted", "idempotency_conflict", "idempotency_conflict"]
    assert {one["commandId"] for one in outcomes} == {str(command_id)}
    await stage.decided(command_id, id_of_conflict(command_id, OTHER))
    assert len(await stage.log()) == 2
    await stage.check_history()


async def test_the_same_id_on_two_partitions_has_one_outcome(stage: Stage) -> None:
    await stage.running(slot=1)
    await stage.running(slot=2)
    command_id = uuid4()

    for partition in (0, 1, 2):
        await stage.count(
            counter=counter_of(partition),
            partition=partition,
            command_id=command_id,
            fingerprint=bytes([partition]) * 32,
        )

    answers = (await stage.answers(command_id, at_least=3))[command_id]
    codes = sorted(json.loads(answer.value)["code"] for answer in answers)
    assert codes == ["counted", "idempotency_conflict", "idempotency_conflict"]
    await stage.check_history()


async def test_a_name_is_given_once_even_when_two_workers_are_asked_at_the_same_time(stage: Stage) -> None:
    names = [f"name-{number}" for number in range(20)]
    ids = [
        await stage.count(counter=counter_of(partition), partition=partition, name=name)
        for name in names
        for partition in (0, 1, 2)
    ]
    await stage.start(slot=1)
    await stage.start(slot=2)

    rows = await stage.decided(*ids)

    codes = [json.loads(row["reply"])["code"] for row in rows.values()]
    assert (codes.count("counted"), codes.count("name_taken")) == (20, 40)
    await stage.check_history()
