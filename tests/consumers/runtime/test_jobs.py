"""A job is done although its runner dies, by one runner at a time, and again after a failure."""

import signal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

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


async def test_a_job_survives_the_kill_of_its_runner(stage: Stage) -> None:
    doomed = await stage.running()
    (stage.folder / "die").touch()
    job = await stage.count(counter=counter_of(0), mode="ring")
    assert await doomed.ended() == -signal.SIGKILL

    await stage.running()

    await rung(stage, job)
    assert len(attempts(stage, job)) == 2
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

    async def sleeps() -> bool:
        return bool(attempts(stage, job))

    await until(sleeps)
    sleeper.send(signal.SIGSTOP)
    await stage.running(slot=2)
    await rung(stage, job)

    sleeper.send(signal.SIGCONT)

    async def noticed() -> bool:
        return any(line["event"] == "lease lost" for line in sleeper.lines())

    await until(noticed)
    await rung(stage, job, times=1)
