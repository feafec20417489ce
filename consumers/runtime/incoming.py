"""Records of a topic -> messages a desk can judge; what cannot be read is named with its reason, for the dead letters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from aiokafka import ConsumerRecord
from asyncpg.pgproto import pgproto

from consumers.runtime.inbox import NUL, Inbox, ReadAs, Reader
from consumers.runtime.messages import Incoming
from schemas import envelope
from schemas.envelope import Actor
from topics.catalog import MESSAGE_BYTES_MAX

COMMAND_BYTES_MAX = 262_144
"""Four times what the edge takes from a caller."""

ACTORS_CACHED = 10_000


class Unreadable(NamedTuple):
    """A record that goes to the dead letters; `reason` is one word of those in the README."""

    record: ConsumerRecord
    reason: str


class _Refused(Exception):
    """A record cannot be read; the first argument is the reason."""


D = TypeVar("D")


class _Command(msgspec.Struct, Generic[D], gc=False):
    id: str = msgspec.field(name="commandId")
    type: str = msgspec.field(name="commandType")
    data: D


class _Event(msgspec.Struct, Generic[D], gc=False):
    id: str = msgspec.field(name="eventId")
    type: str = msgspec.field(name="eventType")
    sequence: int
    data: D


_Read = _Command[Any] | _Event[Any]

_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Whole(NamedTuple):
    """Reads a value of one type in one pass, its envelope and its `data`."""

    name: str
    decode: Callable[[bytes], _Read]
    refuses_nul: bool


class Reading:
    """Reads the records of one inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._commands = inbox.commands
        self._takes = {name: (taken.ce_type.encode(), taken.read) for name, taken in inbox.takes.items()}
        self._envelope = _decoder(msgspec.Raw, commands=inbox.commands)
        self._whole = {
            taken.ce_type.encode(): _Whole(
                name, _decoder(taken.read.struct, commands=inbox.commands), taken.read.refuses_nul
            )
            for name, taken in inbox.takes.items()
            if isinstance(taken.read, ReadAs)
        }
        self._bytes_max = COMMAND_BYTES_MAX if inbox.commands else MESSAGE_BYTES_MAX
        self._actors: dict[bytes, Actor] = {}

    def read(self, records: Sequence[ConsumerRecord]) -> tuple[list[Incoming], list[Unreadable]]:
        """The messages of a batch in order, and what could not be read. Events of other types are passed over."""
        readable, unreadable = [], []
        for record in records:
            try:
                incoming = self._read_one(record)
            except _Refused as refused:
                unreadable.append(Unreadable(record, str(refused)))
            else:
                if incoming is not None:
                    readable.append(incoming)
        return readable, unreadable

    def _read_one(self, record: ConsumerRecord) -> Incoming | None:
        self._check(record)
        headers = dict(record.headers)
        read = self._read_whole(record.value, headers) or self._read_apart(record.value, headers)
        if read is None:
            return None
        try:
            return _incoming(record, read, headers, self._actor(headers) if self._commands else None)
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise _Refused("bad_header") from error

    def _read_whole(self, value: bytes, headers: Mapping[str, bytes]) -> _Read | None:
        """The message in one pass; None if there is no such reader or it fails: then `_read_apart` says why."""
        whole = self._whole.get(headers.get(envelope.CE_TYPE, b""))
        if whole is None or (whole.refuses_nul and NUL in value):
            return None
        try:
            read = whole.decode(value)
        except _UNDECODABLE:
            return None
        return read if read.type == whole.name else None

    def _read_apart(self, value: bytes, headers: Mapping[str, bytes]) -> _Read | None:
        """The envelope, then its `data` by its type's reader; None for an event of a type that is not taken."""
        try:
            read = self._envelope(value)
        except _UNDECODABLE as error:
            raise _Refused("undecodable") from error
        taken = self._takes.get(read.type)
        if taken is None or headers.get(envelope.CE_TYPE) != taken[0]:
            if self._commands:
                raise _Refused("unknown_type")
            return None
        read.data = _body(taken[1], read.data)
        return read

    def _check(self, record: ConsumerRecord) -> None:
        if record.key is None:
            raise _Refused("keyless")
        if record.value is None:
            raise _Refused("empty")
        if len(record.value) > self._bytes_max:
            raise _Refused("oversized")

    def _actor(self, headers: Mapping[str, bytes]) -> Actor:
        value = headers[envelope.ACTOR]
        actor = self._actors.get(value)
        if actor is None:
            if len(self._actors) >= ACTORS_CACHED:
                self._actors.clear()
            actor = self._actors[value] = envelope.read_actor(value)
        return actor


def _body(reader: Reader, data: msgspec.Raw) -> Any:
    try:
        return reader(bytes(data))
    except Exception as error:
        # A reader is a worker's own: whatever it raises, this message cannot be read and the next may be.
        raise _Refused("invalid_data") from error


def _decoder(data: Any, *, commands: bool) -> Callable[[bytes], _Read]:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Command[data] if commands else _Event[data])
    return decoder.decode


def _incoming(record: ConsumerRecord, read: _Read, headers: Mapping[str, bytes], actor: Actor | None) -> Incoming:
    get = headers.get
    reply_partition = get(envelope.REPLY_PARTITION)
    deadline = get(envelope.DEADLINE)
    fingerprint = get(envelope.FINGERPRINT)
    correlation_id = get(envelope.CORRELATION_ID)
    traceparent = get(envelope.TRACEPARENT)
    # By position: a fifth of the cost by name.
    return Incoming(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        read.type,
        pgproto.UUID(read.id),
        _aggregate(record),
        read.data,
        record.value,
        headers,
        actor,
        None if reply_partition is None else int(reply_partition),
        None if deadline is None else int(deadline),
        None if fingerprint is None else bytes.fromhex(fingerprint.decode()),
        None if correlation_id is None else _text(correlation_id),
        None if traceparent is None else _text(traceparent),
        getattr(read, "sequence", None),
    )


def _aggregate(record: ConsumerRecord) -> UUID:
    try:
        return pgproto.UUID(record.key.decode())
    except ValueError as error:
        raise _Refused("bad_key") from error


def _text(value: bytes) -> str:
    # Postgres takes no NUL in text, and one such header must not park a key.
    return value.decode().replace("\0", "")
