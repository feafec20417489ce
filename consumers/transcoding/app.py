"""Which topics transcoding takes, and who does its jobs."""

import os
from collections.abc import Sequence
from pathlib import Path

from compose.settings import Settings
from consumers.runtime import Database, Inbox, Incoming, JobRunner, Write, emits, enqueue, takes
from consumers.runtime.outage import Backoff
from consumers.runtime.worker import Worker
from consumers.transcoding import probe
from consumers.transcoding.cdn import Cdn
from consumers.transcoding.decide import Limits
from consumers.transcoding.desk import VideoDesk
from consumers.transcoding.errands import FILM, HOUSEWORK, PICTURE
from consumers.transcoding.gateway import Away, Objects
from consumers.transcoding.housework import Housework, leave_job
from consumers.transcoding.scratch import Scratch
from consumers.transcoding.store import UPLOAD
from consumers.transcoding.workshop import Workshop
from schemas.registry import MESSAGES
from topics.catalog import USER_EVENTS, VIDEO_COMMANDS, VIDEO_EVENTS

LEASE_S = 30.0
"""How long the work of a machine that died waits for another; a process that comes back takes its own up at once."""
SESSION_MS = 12_000
"""Twice the shortest: on a machine whose cores all encode, a killed process needs more than a moment to be back."""
ATTEMPTS_MAX = 100_000
"""What is away will be back; what cannot be done is given up by the workshop itself, sooner."""
LONGEST_DELAY_S = 30.0


def build(settings: Settings) -> Worker:
    """The worker as one process runs it."""
    objects = Objects(settings)
    folder = Path(settings.video_scratch) / f"slot-{settings.worker_slot}"
    workshop = Workshop(
        objects,
        Scratch(folder, settings.video_scratch_bytes_max),
        limits=probe.Limits(size_bytes=settings.video_bytes_max, duration_s=settings.video_duration_s_max),
        slot=settings.worker_slot,
    )
    housework = Housework(objects, Cdn(settings), watch_s=settings.upload_looked_after_s)
    limits = Limits(
        film_bytes=settings.video_bytes_max,
        picture_bytes=settings.picture_bytes_max,
        open_uploads=settings.video_uploads_open_max,
        open_ms=settings.upload_open_s * 1000,
        part_bytes=settings.video_part_bytes,
    )

    async def before(db: Database) -> None:
        if settings.s3_endpoint is not None:
            await _make_buckets(objects)
        await workshop.open(db)
        await housework.open(db)

    async def after() -> None:
        objects.close()
        await workshop.close()

    return Worker(
        name="transcoding",
        schema="transcoding",
        sql=Path(__file__).parent,
        inboxes=[
            Inbox(
                topic=VIDEO_COMMANDS.name,
                group="video-processors",
                takes=takes(*(one.name for one in MESSAGES if one.topic == VIDEO_COMMANDS.name)),
                emits=emits(*(one.name for one in MESSAGES if one.topic == VIDEO_EVENTS.name)),
                events_topic=VIDEO_EVENTS.name,
                make_desk=lambda _partition: VideoDesk(limits, watch_s=settings.upload_looked_after_s),
                state=UPLOAD,
                session_ms=SESSION_MS,
            ),
            Inbox(
                topic=USER_EVENTS.name,
                group="video-processors-users",
                takes=takes("UserErased"),
                apply=farewell,
                commands=False,
            ),
        ],
        runners=[
            JobRunner(
                kind=kind,
                act=workshop.act,
                gave_up=workshop.gave_up,
                concurrency=at_once,
                lease_s=LEASE_S,
                attempts_max=ATTEMPTS_MAX,
                longest_delay_s=LONGEST_DELAY_S,
            )
            for kind, at_once in ((FILM, settings.video_encodes_at_once or os.cpu_count() or 1), (PICTURE, 1))
        ]
        + [
            JobRunner(
                kind=HOUSEWORK,
                act=housework.act,
                concurrency=4,
                lease_s=LEASE_S,
                attempts_max=ATTEMPTS_MAX,
                longest_delay_s=LONGEST_DELAY_S,
            )
        ],
        before=before,
        after=after,
    )


async def _make_buckets(objects: Objects) -> None:
    backoff = Backoff()
    while True:
        try:
            return await objects.make_buckets()
        except Away as error:
            await backoff.wait(error, "S3")


async def farewell(batch: Sequence[Incoming], _db: Database) -> list[Write]:
    """Who erased their account takes their films and pictures along."""
    return enqueue(*(leave_job(incoming.aggregate) for incoming in batch))
