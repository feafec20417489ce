"""The smallest worker: counts what it is told. Run as a process of its own by the tests of the runtime.

What it is told can make it misbehave: `explode` raises in `decide`, `once` raises only the first time in this process.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from compose.settings import Settings
from consumers.runtime import (
    Claimed,
    Database,
    Decision,
    Done,
    GiveUp,
    Inbox,
    Incoming,
    Job,
    JobRunner,
    LogRow,
    Remembered,
    SequenceGuard,
    StateTable,
    Taken,
    Verdict,
    Write,
    enqueue,
    event,
)
from consumers.runtime.worker import Worker, start
from producers.publish import Kind
from schemas.envelope import print_time

COUNT_CE_TYPE = "trial.count.v1"
COUNTED_CE_TYPE = "trial.counted.v1"
BATCH = 200


@dataclass(frozen=True)
class Trial:
    """Names of one test's topics, groups and schema."""

    name: str

    @property
    def commands(self) -> str:
        return f"{self.name}-commands"

    @property
    def events(self) -> str:
        return f"{self.name}-events"

    @property
    def replies(self) -> str:
        return f"{self.name}-replies"

    @property
    def group(self) -> str:
        return f"{self.name}-processors"

    @property
    def viewers(self) -> str:
        return f"{self.name}-viewers"

    @property
    def schema(self) -> str:
        return self.name.replace("-", "_")


class Count(msgspec.Struct):
    """Data of the one command."""

    by: int
    mode: str = ""
    name: str | None = None
    """Must be unique among all counters, as an e-mail address is."""


read_count = msgspec.json.Decoder(Count).decode

LOAD = "SELECT id, total, sequence FROM counter WHERE id = ANY($1)"
TAKE_NAME = "INSERT INTO name (name, id) VALUES ($1, $2)"
NAMES = "SELECT name FROM name WHERE name = ANY($1)"
ADD_UP = """
    INSERT INTO seen_total AS s (id, total) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET total = s.total + excluded.total
"""

exploded: set[UUID] = set()


def is_fixed() -> bool:
    """Whether the test has mended the bug."""
    return Path(os.environ["TRIAL_FIXED"]).exists()


class CounterDesk:
    """Counts on rows in memory, loaded when first needed."""

    def __init__(self) -> None:
        self.counters: dict[UUID, tuple[int, int]] = {}

    async def decide(self, batch: Sequence[Incoming], earlier: Mapping[UUID, Remembered], db: Database) -> Verdict:
        missing = [key for key in {one.aggregate for one in batch} if key not in self.counters]
        if missing:
            self.counters.update(dict.fromkeys(missing, (0, 0)))
            for key, total, sequence in await db.fetch(LOAD, missing):
                self.counters[key] = (total, sequence)
        names = [one.body.name for one in batch if one.body.name]
        taken = {row["name"] for row in await db.fetch(NAMES, names)} if names else set()
        writes: list[Write] = []
        decisions = [self._judge(one, earlier, taken, writes) for one in batch]
        changed = {one.incoming.aggregate for one in decisions if one.events}
        return Verdict(decisions, writes, [(key, *self.counters[key]) for key in changed])

    def _judge(
        self, one: Incoming, earlier: Mapping[UUID, Remembered], taken: set[str], writes: list[Write]
    ) -> Decision:
        if one.id in earlier:
            return Decision(one, "refused", "idempotency_conflict")
        body: Count = one.body
        if body.mode == "explode" and not is_fixed():
            raise ZeroDivisionError
        if body.mode == "once" and one.id not in exploded:
            exploded.add(one.id)
            raise ZeroDivisionError
        if body.name is not None:
            if body.name in taken:
                return Decision(one, "refused", "name_taken")
            taken.add(body.name)
            writes.append(Write(TAKE_NAME, [(body.name, one.aggregate)]))
        if body.mode == "ring":
            writes += enqueue(Job(one.id, "ring", b"%d" % body.by))
        total, sequence = self.counters[one.aggregate]
        total, sequence = self.counters[one.aggregate] = (total + body.by, sequence + 1)
        told = event(
            "Counted",
            aggregate=one.aggregate,
            sequence=sequence,
            at=print_time(one.at_ms),
            data=b'{"by":%d,"total":%d}' % (body.by, total),
        )
        return Decision(one, "accepted", "counted", b'{"total":%d}' % total, [told], facts=b"%d" % body.by)


class ViewDesk:
    """Adds up the events of the first inbox: each must count once, however often it comes."""

    def __init__(self, topic: str) -> None:
        self._guard = SequenceGuard(topic)

    async def decide(self, batch: Sequence[Incoming], _earlier: Mapping[UUID, Remembered], db: Database) -> Verdict:
        fresh, remember = await self._guard.fresh(batch, db)
        return Verdict(writes=[Write(ADD_UP, [(one.aggregate, one.body["by"]) for one in fresh]), remember])


async def prepare(batch: Sequence[Incoming]) -> None:
    """Slow work that cannot be done for some."""
    for one in batch:
        if one.body.mode == "unpreparable" and not is_fixed():
            raise ZeroDivisionError
        one.prepared = True


async def note(rows: Sequence[LogRow]) -> None:
    """Leave a trace of what was committed, or fail as often as the test wants."""
    folder = Path(os.environ["TRIAL_RINGS"])
    if (folder / "note-fails").exists():
        (folder / "note-fails").unlink()
        raise ZeroDivisionError
    with (folder / "noted").open("a") as trace:
        trace.writelines(f"{row.command_id}\n" for row in rows)


async def ring(job: Claimed) -> Done:
    """Leave a trace of the attempt where the test sees it, and hang for as long as the test wants."""
    folder = Path(os.environ["TRIAL_RINGS"])
    with (folder / f"{job.id}.{os.getpid()}").open("a") as trace:
        trace.write(f"{job.attempt}\n")
    if job.payload == b"0":
        raise GiveUp("there is no bell")
    if (folder / "fail-once").exists():
        (folder / "fail-once").unlink()
        raise ConnectionError
    if os.environ.get("TRIAL_SLEEPY"):
        await asyncio.Event().wait()
    return Done(writes=[Write("INSERT INTO rung (id) VALUES ($1)", [(job.id,)])])


def build(settings: Settings, trial: Trial | None = None) -> Worker:
    """The worker of a trial; TRIAL names it in the environment of a process."""
    trial = trial or Trial(os.environ["TRIAL"])
    del settings
    return Worker(
        name="cli",
        schema=trial.schema,
        sql=Path(__file__).parent,
        replies_topic=trial.replies,
        inboxes=[
            Inbox(
                topic=trial.commands,
                group=trial.group,
                takes={"Count": Taken(COUNT_CE_TYPE, read_count)},
                emits={"Counted": Kind(COUNTED_CE_TYPE, "none")},
                events_topic=trial.events,
                make_desk=lambda _partition: CounterDesk(),
                state=StateTable("counter", key=("id",), columns=("total", "sequence")),
                prepare=prepare,
                after_commit=note,
                batch=BATCH,
            ),
            Inbox(
                topic=trial.events,
                group=trial.viewers,
                takes={"Counted": Taken(COUNTED_CE_TYPE, msgspec.json.decode)},
                commands=False,
                make_desk=lambda _partition: ViewDesk(trial.events),
            ),
        ],
        runners=[JobRunner(kind="ring", act=ring, lease_s=2, first_delay_s=0.1)],
    )


if __name__ == "__main__":
    sys.exit(start("cli", build))
