"""A film's owner hears on their socket how its work goes on; nobody else does."""

from typing import Any

import msgspec
import pytest

from edge_api.live_films import progress_of
from edge_api.live_frames import read_event
from producers.follower import Heard
from tests.edge_api.hall import Hall, books, hall

__all__ = ["books", "hall"]

pytestmark = pytest.mark.quick

MINA, BEN = "01923f6e-7a3b-7c11-9f52-3d2a8b7c1e10", "01923f6e-8c02-7d41-8a10-5b7e6f3a2c44"
FILM = "01923f6e-9a11-7c55-8d10-2b3c4d5e6f70"


def told(kind: str, sequence: int, **data: Any) -> bytes:
    said = {
        "eventType": kind,
        "sequence": sequence,
        "timestamp": "2026-03-01T18:00:00.000Z",
        "data": {"videoId": FILM, "ownerId": MINA, **data},
    }
    return msgspec.json.encode(said)


def record(value: bytes) -> Heard:
    return Heard("video-events", 0, 0, 0, FILM.encode(), value, [])


async def test_the_owner_is_told_each_step_once_and_nobody_else_anything(hall: Hall) -> None:
    async with hall.socket(MINA) as mina, hall.socket(BEN) as ben:
        await mina.say(op="ping")
        await ben.say(op="ping")
        assert {(await one.next())["event"] for one in (mina, ben)} == {"pong"}

        await hall.hub.hear(
            [
                record(told("VideoProcessingProgressed", 3, progress=0.35)),
                record(told("VideoProcessingProgressed", 3, progress=0.35)),
                record(b"no event at all"),
                record(told("VideoFailed", 4, code="truncated", reason="The file ends too early.")),
            ]
        )
        frames = [await mina.next(), await mina.next()]
        await ben.say(op="ping")
        heard = await ben.next()

    assert frames == [
        {"event": "video_progress", "data": {"videoId": FILM, "status": "processing", "seq": 3, "progress": 0.35}},
        {
            "event": "video_progress",
            "data": {
                "videoId": FILM,
                "status": "failed",
                "seq": 4,
                "code": "truncated",
                "reason": "The file ends too early.",
            },
        },
    ]
    assert heard["event"] == "pong"


def test_what_is_ready_is_all_done_and_playable() -> None:
    [note] = progress_of(read_event(told("VideoReady", 9, renditions=[])), {MINA})

    assert b'"status":"ready"' in note[1]
    assert b'"progress":1,"playable":true' in note[1]


def test_an_upload_that_is_only_asked_for_is_no_news() -> None:
    assert not list(progress_of(read_event(told("VideoUploadRequested", 1)), {MINA}))
