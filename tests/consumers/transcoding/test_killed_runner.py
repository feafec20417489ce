"""The runner is killed at twenty random moments of long encodes: each film is finished once, and nothing is done twice."""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from compose.settings import Settings
from compose.stack import Stack, find
from compose.supervision import Supervisor
from consumers.runtime import Claimed, TryAgain
from consumers.runtime.jobs import Shift
from consumers.runtime.worker import Worker
from consumers.transcoding.app import build
from consumers.transcoding.errands import Payload, job
from consumers.transcoding.gateway import Objects, client_of
from producers.filming import send_film
from producers.person import Person
from tests import containers
from tests.conftest import NewPeople
from tests.consumers.bids.talk import until
from tests.consumers.transcoding import films
from tests.consumers.transcoding.test_pipeline import shown, status, told

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(containers.CHOSEN, reason="TEST_STACK=containers: a runner is killed by its pid"),
]

KILLS = 20
WORKING_S_MAX = 1.2
"""A runner is killed at most so long after it took up work."""
SEED = int(os.environ.get("KILL_SEED", random.randrange(10_000)))

WORKING = """
    SELECT DISTINCT leased_by FROM transcoding.jobs
     WHERE kind = 'film' AND done_at IS NULL AND failed_at IS NULL AND lease_until > now()
"""
FINISHED = """
    SELECT id, attempts, done_at FROM transcoding.jobs
     WHERE kind = 'film' AND done_at IS NOT NULL AND convert_from(payload, 'UTF8')::json ->> 'id' = ANY($1)
"""
MADE = "SELECT video_id, task, made, at FROM transcoding.encoded WHERE video_id = ANY($1)"


class Done(NamedTuple):
    """What is finished: jobs and tasks as they stand, and when each object was stored."""

    jobs: dict[UUID, Any]
    tasks: dict[tuple[UUID, str], Any]
    stored: dict[str, Any]


def undone(before: Done, later: Done) -> list[str]:
    """What was finished and is no longer, or is otherwise."""
    pairs: list[tuple[dict[Any, Any], dict[Any, Any]]] = list(zip(before, later, strict=True))
    return [
        f"{key}: {was} before, {its.get(key)} later"
        for mine, its in pairs
        for key, was in mine.items()
        if its.get(key) != was
    ]


async def look(owner: asyncpg.Connection, stack: Settings, videos: list[str]) -> Done:
    ids = [UUID(video) for video in videos]
    jobs = {row["id"]: (row["attempts"], row["done_at"]) for row in await owner.fetch(FINISHED, videos)}
    rows = await owner.fetch(MADE, ids)
    tasks = {(row["video_id"], row["task"]): (row["made"], row["at"]) for row in rows}
    names = {key for row in rows for key in _keys(row)}
    stored = await asyncio.to_thread(_stored, stack, videos)
    return Done(jobs, tasks, {key: at for key, at in stored.items() if key in names})


def _keys(row: asyncpg.Record) -> list[str]:
    made = json.loads(row["made"])
    # Each task of a track stores the track's one init segment, the same bytes under the same name.
    pieces = made["pictures"] if isinstance(made, dict) else [piece for piece in made if piece["number"] is not None]
    return [f"videos/{row['video_id']}/{piece['name']}" for piece in pieces]


def _stored(stack: Settings, videos: list[str]) -> dict[str, Any]:
    client = client_of(stack)
    return {
        one["Key"]: one["LastModified"]
        for video in videos
        for one in client.list_objects_v2(Bucket=stack.s3_bucket_media, Prefix=f"videos/{video}/").get("Contents", ())
    }


class Runner:
    """The stack's transcoding process, and the group that it is a member of."""

    def __init__(self) -> None:
        self.stack: Stack = find(Path(os.environ["MARKETPLACE_ENV"]).parent.name, {})
        self._supervisor = Supervisor(self.stack)

    def kill(self, name: str = "transcoding-1") -> None:
        pid = self._supervisor.states()[name]["pid"]
        assert pid, "it does not run"
        os.kill(pid, signal.SIGKILL)

    def rebalances(self) -> int:
        """How often Kafka's coordinator has set the group up anew."""
        log = (self.stack.logs / "kafka.log").read_text(errors="replace")
        return log.count("Preparing to rebalance group video-processors in state")

    def scratch(self) -> list[str]:
        return [path.name for path in (self.stack.folder / "scratch" / "slot-1").iterdir()]


async def test_twenty_kills_of_the_runner_finish_each_film_once_and_redo_nothing(
    people: NewPeople, owner: asyncpg.Connection, stack: Settings, objects: Objects
) -> None:
    [mina] = await people("mina", sellers=1)
    runner, dice = Runner(), random.Random(SEED)
    film = films.film("-g", "50", size="640x480", rate="10", seconds=60)
    rebalances = runner.rebalances()
    videos: list[str] = []
    dead: set[UUID] = set()
    done = Done({}, {}, {})

    for kill in range(KILLS):
        dead |= await at_work(mina, owner, film, videos, dead)
        await asyncio.sleep(dice.uniform(0, WORKING_S_MAX))
        now = await look(owner, stack, videos)
        assert undone(done, now) == [], f"kill {kill}, KILL_SEED={SEED}"
        runner.kill()
        done = now
    await until(lambda: all_ready(owner, videos), within_s=60)

    assert undone(done, await look(owner, stack, videos)) == [], f"KILL_SEED={SEED}"
    for video in videos:
        await finished_once(owner, objects, video)
    assert runner.rebalances() == rebalances
    assert len(runner.scratch()) <= 1, "at most the source of the last film is kept"


@asynccontextmanager
async def another_machine(stack: Settings) -> AsyncIterator[Worker]:
    """A second runner with a slot and a disk of its own; no member of the group, so that none is missed afterwards."""
    settings = stack.model_copy(update={"worker_slot": 9, "video_encodes_at_once": 1})
    worker = build(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    address = settings.database_url("transcoding")
    async with asyncpg.create_pool(address, server_settings={"search_path": "transcoding"}) as db:
        assert worker.before is not None
        assert worker.after is not None
        await worker.before(db)
        shift = asyncio.create_task(Shift(worker.runners[0], db, producer, source="/transcoding").run())
        try:
            yield worker
        finally:
            shift.cancel()
            await asyncio.wait([shift])
            await worker.after()
            await producer.stop()


async def test_two_runners_share_a_film_and_finish_it_though_s3_dies_meanwhile(
    people: NewPeople, owner: asyncpg.Connection, stack: Settings, objects: Objects
) -> None:
    [mina] = await people("mina", sellers=1)
    async with another_machine(stack):
        video = await send_film(mina, films.film("-g", "50", size="640x480", rate="10", seconds=30))

        async def both() -> bool:
            return len(await owner.fetch(WORKING)) == 2

        await until(both, within_s=40)
        Runner().kill("s3")
        await until(lambda: all_ready(owner, [video]), within_s=60)

    await finished_once(owner, objects, video)


async def test_what_s3_lost_before_the_publishing_is_made_again(
    people: NewPeople, owner: asyncpg.Connection, stack: Settings, objects: Objects
) -> None:
    [mina] = await people("mina", sellers=1)
    film = films.film()
    video = await send_film(mina, film)
    await until(lambda: all_ready(owner, [video]), within_s=60)
    await finished_once(owner, objects, video)
    before = await objects.keys(objects.media, f"videos/{video}/")
    await objects.put(objects.uploads, f"incoming/{video}", film, content_type="video/mp4")
    await owner.execute("UPDATE transcoding.upload SET status = 'processing' WHERE id = $1", UUID(video))
    [gone, *_] = [key for key in before if key.endswith(".m4s")]
    await objects.delete(objects.media, [gone])
    publish = msgspec.json.encode(Payload("publish", UUID(video)))

    async with another_machine(stack) as worker:
        act = worker.runners[0].act
        with pytest.raises(TryAgain, match="lost 1 of"):
            await act(Claimed(uuid4(), "film", publish, 1, None, None))
        again = await act(Claimed(uuid4(), "film", publish, 2, None, None))

    await owner.execute("UPDATE transcoding.upload SET status = 'ready' WHERE id = $1", UUID(video))
    assert [command.type for command in again.commands] == ["RecordPublished"]
    assert await objects.keys(objects.media, f"videos/{video}/") == before


async def at_work(mina: Person, owner: asyncpg.Connection, film: Path, videos: list[str], dead: set[UUID]) -> set[UUID]:
    """Wait until a living runner has taken up a job, and say which; give it another film when it is done with all."""

    async def working() -> set[UUID]:
        if await all_ready(owner, videos):
            videos.append(await send_film(mina, film))
        return {row["leased_by"] for row in await owner.fetch(WORKING)} - dead

    found: set[UUID] = await until(working, within_s=40)
    return found


async def all_ready(owner: asyncpg.Connection, videos: list[str]) -> bool:
    return all([await status(owner, video) == "ready" for video in videos])


async def finished_once(owner: asyncpg.Connection, objects: Objects, video: str) -> None:
    """One asset, told once, and after the tidying no object that it does not need."""
    events = await told(owner, video)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["eventType"] for event in events]
    assert (kinds.count("VideoReady"), kinds.count("VideoFailed")) == (1, 0)
    asset = await owner.fetchrow("SELECT * FROM transcoding.asset WHERE video_id = $1", UUID(video))
    assert asset is not None
    assert asset["complete"]
    again = job(Payload("tidy", UUID(video), "again"))

    async def tidied() -> bool:
        done = await owner.fetchval("SELECT done_at IS NOT NULL FROM transcoding.jobs WHERE id = $1", again.id)
        if done is False:
            await owner.execute("UPDATE transcoding.jobs SET run_after = now() WHERE id = $1", again.id)
        return bool(done)

    await until(tidied)
    stored = await objects.keys(objects.media, f"videos/{video}/")
    assert {key.rpartition("/")[2] for key in stored} == shown(asset)
    assert await objects.head(objects.uploads, f"incoming/{video}") is None
