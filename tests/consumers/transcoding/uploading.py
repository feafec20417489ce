"""Good examples of uploads and of what is said about them."""

from typing import Any
from uuid import UUID

from consumers.transcoding.decide import Command, Judgement, Limits, decide
from consumers.transcoding.upload import Unknown, Upload
from schemas.envelope import Actor
from schemas.videos import (
    CompleteUpload,
    PictureSize,
    RecordEncoded,
    RecordInspected,
    RecordPicture,
    RecordPublished,
    Rendition,
    RequestUpload,
)

FILM = UUID("01923f6e-9a11-7c55-8d10-2b3c4d5e6f70")
MINA = Actor("01923f6e-7a3b-7c11-9f52-3d2a8b7c1e10", ("buyer", "seller"))
BEN = Actor("01923f6e-8c02-7d41-8a10-5b7e6f3a2c44", ("buyer",))
ADMIN = Actor("01923f6e-8c02-7d41-8a10-5b7e6f3a2c55", ("admin",))
RUNNER = Actor("platform", ("system",))
NOON = 1_772_366_400_000
LIMITS = Limits(film_bytes=1_000, picture_bytes=100, open_uploads=2, open_ms=86_400_000, part_bytes=400)
LOW = Rendition(
    name="360p",
    width=640,
    height=360,
    bandwidth=800_000,
    average_bandwidth=700_000,
    codecs="avc1.64001e",
    frame_rate="30.000",
)
HIGH = LOW.model_copy(update={"name": "720p", "width": 1280, "height": 720})
TASKS = ["sound", "360p-0", "stills", "720p-0"]


def request(**changes: Any) -> RequestUpload:
    said = {"video_id": FILM, "purpose": "film", "filename": "lamp.mp4", "content_type": "video/mp4", "size": 900}
    return RequestUpload(**{**said, **changes})


def inspected(**changes: Any) -> RecordInspected:
    said: dict[str, Any] = {
        "video_id": FILM,
        "duration_ms": 4_000,
        "width": 1280,
        "height": 720,
        "rungs": ["360p", "720p"],
        "tasks": TASKS,
        "playable_after": ["360p-0", "sound"],
    }
    return RecordInspected(**{**said, **changes})


def encoded(task: str) -> RecordEncoded:
    return RecordEncoded(video_id=FILM, task=task)


def published(*, complete: bool) -> RecordPublished:
    return RecordPublished(
        video_id=FILM,
        complete=complete,
        duration_ms=4_000,
        size_bytes=700_000,
        renditions=[LOW, HIGH] if complete else [LOW],
    )


def scaled() -> RecordPicture:
    return RecordPicture(video_id=FILM, sizes=[PictureSize(name="0f.jpg", width=64, height=64)])


def judge(before: Upload, command: Command, by: Actor | None = RUNNER, *, open_uploads: int = 0) -> Judgement:
    return decide(before, command, by, NOON, limits=LIMITS, open_uploads=open_uploads)


def after(*steps: tuple[Command, Actor]) -> Upload:
    """An upload to which all this has happened; each step must be accepted."""
    upload: Upload = Unknown()
    for command, by in steps:
        judgement = judge(upload, command, by)
        assert judgement.outcome == "accepted", judgement
        upload = judgement.after
    return upload


def awaited(**changes: Any) -> Upload:
    return after((request(**changes), MINA))


def in_work(**changes: Any) -> Upload:
    return after((request(**changes), MINA), (CompleteUpload(video_id=FILM), MINA))


def encoding(*done: str) -> Upload:
    steps = [(encoded(task), RUNNER) for task in done]
    return after((request(), MINA), (CompleteUpload(video_id=FILM), MINA), (inspected(), RUNNER), *steps)


def ready() -> Upload:
    upload = judge(encoding(*TASKS), published(complete=True)).after
    assert type(upload).__name__ == "Ready"
    return upload
