"""The envelopes of commands, events and replies, their headers and their ids (ARCHITECTURE section 3, CloudEvents 1.0)."""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

SPEC_VERSION = b"1.0"
CONTENT_TYPE = b"application/json"

CE_SPECVERSION = "ce_specversion"
CE_ID = "ce_id"
CE_SOURCE = "ce_source"
CE_TYPE = "ce_type"
CE_TIME = "ce_time"
CE_SUBJECT = "ce_subject"
CE_DATASCHEMA = "ce_dataschema"
CONTENT_TYPE_HEADER = "content-type"
TRACEPARENT = "traceparent"
CORRELATION_ID = "correlation-id"
CAUSATION_ID = "causation-id"
ACTOR = "actor"
REPLY_PARTITION = "reply-partition"
DEADLINE = "deadline"
FINGERPRINT = "fingerprint"

_AGGREGATES = UUID("6f1f5c5e-7f0e-5d0c-9f55-0d6a54f6a0b1")

Outcome = Literal["accepted", "refused", "no_op"]
"""What became of a command (rule K1)."""


def print_time(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`."""
    whole, milli = divmod(at_ms, 1000)
    return f"{_print_second(whole)}.{milli:03d}Z"


@lru_cache(1024)
def _print_second(whole: int) -> str:
    # Events of one batch share their second, and strftime is the dearest part of writing one.
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time with an offset; raises ValueError otherwise."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs its offset from UTC")
    return int(at.timestamp() * 1000 + 0.5)


def _print_datetime(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _written_out(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise PydanticCustomError("time", "must be an RFC 3339 time with its offset, such as 2026-01-02T03:04:05Z")


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")

Time = Annotated[
    AwareDatetime, BeforeValidator(_written_out), PlainSerializer(_print_datetime, when_used="json", return_type=str)
]
"""A time on the wire, RFC 3339 UTC with milliseconds."""


def new_command_id() -> UUID:
    """A fresh time-ordered id (UUIDv7, RFC 9562): its index grows at one end."""
    milli = time_ms()
    random = uuid.uuid4().int
    value = (
        (milli & 0xFFFF_FFFF_FFFF) << 80
        | 0x7 << 76
        | (random >> 64 & 0xFFF) << 64
        | 0b10 << 62
        | random & (1 << 62) - 1
    )
    return UUID(int=value)


def time_ms() -> int:
    """The wall clock now, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def command_id_of(user_id: UUID, idempotency_key: str) -> UUID:
    """The id of a command whose sender named an Idempotency-Key: the same each time it is sent."""
    return uuid.uuid5(user_id, idempotency_key)


def event_id_of(aggregate: UUID, sequence: int) -> UUID:
    """The id of an aggregate's nth event: a replay speaks with the same ids."""
    return uuid.uuid5(aggregate, str(sequence))


def aggregate_of(kind: str, name: str) -> UUID:
    """A stable id for something that has only a name (an e-mail hash that nobody registered, say)."""
    return uuid.uuid5(_AGGREGATES, f"{kind}:{name}")


class Wire(BaseModel):
    """What goes over the wire: camelCase names, frozen, unknown fields ignored (readers ignore what they do not know)."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore", ser_json_inf_nan="strings"
    )


class Request(Wire):
    """What a person sends: as `Wire`, but an unknown field is an error (SECURITY.md, Input)."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", strict=False
    )


class CommandEnvelope(Wire):
    """A command as it stands on a topic; who speaks travels in the headers, never here."""

    command_id: UUID
    command_type: str
    timestamp: Time
    data: dict[str, Any]


class EventEnvelope(Wire):
    """An event as it stands on a topic; `sequence` has no gap within one aggregate."""

    event_id: UUID
    event_type: str
    timestamp: Time
    sequence: int
    data: dict[str, Any]
    previous_public_sequence: int | None = None


class Reply(msgspec.Struct, frozen=True, rename="camel"):
    """A worker's answer on `replies`; `answer` is the JSON object that the edge turns into a response."""

    command_id: UUID
    outcome: Outcome
    code: str
    answer: msgspec.Raw


class Actor(msgspec.Struct, frozen=True):
    """Who speaks, as the edge verified it: a user's id, or the name of one of our own processes with role `system`."""

    id: str
    roles: tuple[str, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether everything is permitted (specification, rbac `*`)."""
        return "admin" in self.roles

    @property
    def is_system(self) -> bool:
        """Whether one of our own processes speaks."""
        return "system" in self.roles


_actor_decoder = msgspec.json.Decoder(Actor)
_actor_encoder = msgspec.json.Encoder()


def read_actor(value: bytes) -> Actor:
    """The actor of a header; raises msgspec.MsgspecError when it is none."""
    return _actor_decoder.decode(value)


def write_actor(actor: Actor) -> bytes:
    """The header's value for an actor."""
    return _actor_encoder.encode(actor)


def fingerprint_of(command_type: str, data: bytes) -> str:
    """What tells two commands of one Idempotency-Key apart: the hash of what was asked (rule K3), hex."""
    return hashlib.sha256(command_type.encode() + b"\0" + data).hexdigest()


def command_headers(
    *,
    command_id: UUID,
    ce_type: str,
    source: str,
    subject: str,
    schema: str,
    at: str,
    actor: Actor,
    correlation_id: str,
    traceparent: str | None = None,
    reply_partition: int | None = None,
    deadline_ms: int | None = None,
    fingerprint: str | None = None,
) -> list[tuple[str, bytes]]:
    """The headers of a command, CloudEvents 1.0 binary mode and ours."""
    headers = [
        (CE_SPECVERSION, SPEC_VERSION),
        (CE_ID, str(command_id).encode()),
        (CE_SOURCE, source.encode()),
        (CE_TYPE, ce_type.encode()),
        (CE_TIME, at.encode()),
        (CE_SUBJECT, subject.encode()),
        (CE_DATASCHEMA, schema.encode()),
        (CONTENT_TYPE_HEADER, CONTENT_TYPE),
        (CORRELATION_ID, correlation_id.encode()),
        (ACTOR, write_actor(actor)),
    ]
    if traceparent is not None:
        headers.append((TRACEPARENT, traceparent.encode()))
    if reply_partition is not None:
        headers.append((REPLY_PARTITION, str(reply_partition).encode()))
    if deadline_ms is not None:
        headers.append((DEADLINE, str(deadline_ms).encode()))
    if fingerprint is not None:
        headers.append((FINGERPRINT, fingerprint.encode()))
    return headers


def header(headers: Iterable[tuple[str, bytes]], name: str) -> str | None:
    """The text of the first header of that name, or None."""
    return next((value.decode("utf-8", "replace") for key, value in headers if key == name), None)


def canonical(data: object) -> bytes:
    """One text for one meaning: JSON with sorted names and no spaces, for fingerprints."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()
