"""A job is done although its runner dies, by one runner at a time, and again after a failure."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from consumers.runtime.faultpoints import JOB_POINTS
from tests.consumers.runtime.trial import Stage, counter_of, until

pytestmark = pytest.mark.stack


async def rung(stage: Stage, job: UUID, times: int = 1) -> None:
    async def often_enough() -> bool:
        rows = await stage.owner.fetch(f"SELECT id FROM {stage.trial.schema}.rung WHERE id = $1", job)
        return len(rows) == times

    await until(often_enough)


def attempts(stage: Stage, job: UUID) -> list[Path]:
    return sorted(stage.folder.glob(f"{job}.*"))


async def test_a_job_is_done_soon_after_its_decision(stage: Stage) -> None:
    await stage.running()

    job = await stage.count(counter=counter_of(0), mode="ring")

    await rung(stage, job)
    [row] = await stage.owner.fetch(f"SELECT * FROM {stage.trial.schema}.jobs")
    assert (row["id"], row["attempts"], row["leased_by"], row["done_at"] is not None) == (job, 1, None, True)


@pytest.mark.parametrize("point", JOB_POINTS)
async def test_a_job_survives_the_kill_of_its_runner_at_any_point(stage: Stage, point: str) -> None:
    doomed = await stage.running(FAULT_POINTS=f"{point}=kill")
    job = await stage.count(counter=counter_of(0), mode="ring")
    assert await doomed.ended() == -signal.SIGKILL

    await stage.running()

    await rung(stage, job)
    assert len(attempts(stage, job)) == (1 if point == "job-claimed" else 2)
    await stage.check_history()


async def test_a_failed_job_comes_again(stage: Stage) -> None:
    await stage.running()
    (stage.folder / "fail-once").touch()

    job = await stage.count(counter=counter_of(0), mode="ring")

    await rung(stage, job)
    [trace] = attempts(stage, job)
    assert trace.read_text() == "1\n2\n"


async def test_a_job_that_cannot_succeed_is_given_up_with_its_reason(stage: Stage) -> None:
    await stage.running()

    await stage.count(0, counter=counter_of(0), mode="ring")

    async def given_up() -> list[asyncpg.Record]:
        return await stage.owner.fetch(f"SELECT * FROM {stage.trial.schema}.jobs WHERE failed_at IS NOT NULL")

    [row] = await until(given_up)
    assert (row["attempts"], row["last_error"], row["done_at"]) == (1, "there is no bell", None)


async def test_two_runners_share_the_jobs_and_do_each_once(stage: Stage) -> None:
    await stage.running(slot=1)
    await stage.running(slot=2)

    jobs = [
        await stage.count(counter=counter_of(number % 3), partition=number % 3, mode="ring") for number in range(30)
    ]

    for job in jobs:
        await rung(stage, job)
        assert len(attempts(stage, job)) == 1


async def test_a_runner_that_slept_through_its_lease_records_nothing(stage: Stage) -> None:
    sleeper = await stage.running(slot=1, TRIAL_SLEEPY="1")
    job = await stage.count(counter=counter_of(0), mode="ring")

    await until(lambda: begun(stage, job))
    sleeper.send(signal.SIGSTOP)
    await stage.running(slot=2)
    await rung(stage, job)

    sleeper.send(signal.SIGCONT)

    async def noticed() -> bool:
        return any(line["event"] == "lease lost" for line in sleeper.lines())

    await until(noticed)
    await rung(stage, job, times=1)


async def test_a_job_claimed_while_leases_are_being_extended_is_not_taken_for_lost(stage: Stage) -> None:
    runner = await stage.running(TRIAL_SLEEPY="1")
    first = await stage.count(counter=counter_of(0), mode="ring")
    await until(lambda: begun(stage, first))

    async with held(stage, first):
        second = await stage.count(counter=counter_of(0), mode="ring")
        await until(lambda: begun(stage, second))
        claimed = await leased(stage, second)

    async def extended() -> bool:
        return bool((await leased(stage, second))["lease_until"] > claimed["lease_until"])

    await until(extended)
    assert (await leased(stage, second))["attempts"] == 1
    assert not any(line["event"] == "lease lost" for line in runner.lines())


async def begun(stage: Stage, job: UUID) -> bool:
    return bool(attempts(stage, job))


async def leased(stage: Stage, job: UUID) -> asyncpg.Record:
    [row] = await stage.owner.fetch(f"SELECT * FROM {stage.trial.schema}.jobs WHERE id = $1", job)
    return row


@asynccontextmanager
async def held(stage: Stage, job: UUID) -> AsyncIterator[None]:
    """While it lasts, the job's row is locked, and whoever extends its lease waits."""
    holder = await asyncpg.connect(stage.settings.database_url("cli"))

    async def is_waited_for() -> bool:
        waiting: bool = await stage.owner.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)))",
            holder.get_server_pid(),
        )
        return waiting

    try:
        await holder.execute(f"BEGIN; SELECT FROM {stage.trial.schema}.jobs WHERE id = '{job}' FOR UPDATE")
        await until(is_waited_for)
        yield
    finally:
        await holder.close()
