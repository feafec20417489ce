"""Jobs of this worker: their ids, their payloads, their turn."""

import uuid
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from consumers.runtime import Job
from consumers.transcoding.decide import Errand

FILM: Final = "film"
"""The kind of jobs that take a core: inspecting, encoding, publishing."""
PICTURE: Final = "picture"
HOUSEWORK: Final = "housework"
"""The kind of jobs that only ask and tidy S3."""

KIND: Final[Mapping[str, str]] = {
    "inspect": FILM,
    "encode": FILM,
    "publish-lowest": FILM,
    "publish": FILM,
    "picture": PICTURE,
}

TIDY_AGAIN_S: Final = 1_200.0
"""When a film's objects are looked through once more: a runner that hung may have stored something late."""

_AHEAD_S: Final = {"publish-lowest": -1_200.0, "publish": -1_200.0, "inspect": -900.0}
"""Due jobs are done in the order of their time: what lets somebody see their film sooner is dated back."""
_PLAYABLE_AHEAD_S: Final = -600.0
_APART_S: Final = 0.001


class Payload(msgspec.Struct, frozen=True):
    """What a job is about: an upload, or with step `leave` a person."""

    step: str
    id: UUID
    task: str = ""


def read(payload: bytes) -> Payload:
    """The payload of a job of ours."""
    return msgspec.json.decode(payload, type=Payload)


def job(payload: Payload, *, delay_s: float = 0, correlation_id: str | None = None, trace: str | None = None) -> Job:
    """A job; the same payload is the same job, however often it is asked for."""
    return Job(
        id=uuid.uuid5(payload.id, f"{payload.step}:{payload.task}"),
        kind=KIND.get(payload.step, HOUSEWORK),
        payload=msgspec.json.encode(payload),
        delay_s=delay_s,
        correlation_id=correlation_id,
        traceparent=trace,
    )


def delay_s(errand: Errand, *, place: int, playable: bool, watch_s: float) -> float:
    """When an errand is due, in seconds from now; `place` is its place among those of one command."""
    match errand.step:
        case "watch":
            return watch_s
        case "encode":
            return (_PLAYABLE_AHEAD_S if playable else -1.0) + place * _APART_S
        case step:
            return _AHEAD_S.get(step, 0.0)
