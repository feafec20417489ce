"""Records of a topic -> messages a desk can judge; what cannot be read is named with its reason, for the dead letters."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from aiokafka import ConsumerRecord
from asyncpg.pgproto import pgproto

from consumers.runtime.inbox import Inbox, Reader
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


class _Command(msgspec.Struct, rename="camel", gc=False):
    command_id: str
    command_type: str
    data: msgspec.Raw


class _Event(msgspec.Struct, rename="camel", gc=False):
    event_id: str
    event_type: str
    sequence: int
    data: msgspec.Raw


class Reading:
    """Reads the records of one inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._commands = inbox.commands
        self._takes = {name: (taken.ce_type.encode(), taken.read) for name, taken in inbox.takes.items()}
        self._command = msgspec.json.Decoder(_Command)
        self._event = msgspec.json.Decoder(_Event)
        self._bytes_max = COMMAND_BYTES_MAX if inbox.commands else MESSAGE_BYTES_MAX
        self._actors: dict[bytes, Actor] = {}

    def read(self, records: Sequence[ConsumerRecord]) -> tuple[list[Incoming], list[Unreadable]]:
        """The messages of a batch in order, and what could not be read. Events of other types are passed over."""
        read_one = self._read_command if self._commands else self._read_event
        readable, unreadable = [], []
        for record in records:
            try:
                incoming = read_one(record)
            except _Refused as refused:
                unreadable.append(Unreadable(record, str(refused)))
            else:
                if incoming is not None:
                    readable.append(incoming)
        return readable, unreadable

    def _read_command(self, record: ConsumerRecord) -> Incoming:
        self._check(record)
        try:
            read = self._command.decode(record.value)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _Refused("undecodable") from error
        headers = dict(record.headers)
        taken = self._takes.get(read.command_type)
        if taken is None or headers.get(envelope.CE_TYPE) != taken[0]:
            raise _Refused("unknown_type")
        body = _body(taken[1], read.data)
        try:
            return _incoming(record, read.command_type, read.command_id, body, headers, self._actor(headers), None)
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise _Refused("bad_header") from error

    def _read_event(self, record: ConsumerRecord) -> Incoming | None:
        self._check(record)
        try:
            read = self._event.decode(record.value)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _Refused("undecodable") from error
        headers = dict(record.headers)
        taken = self._takes.get(read.event_type)
        if taken is None or headers.get(envelope.CE_TYPE) != taken[0]:
            return None
        body = _body(taken[1], read.data)
        try:
            return _incoming(record, read.event_type, read.event_id, body, headers, None, read.sequence)
        except ValueError as error:
            raise _Refused("bad_header") from error

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


def _incoming(
    record: ConsumerRecord,
    kind: str,
    name: str,
    body: Any,
    headers: Mapping[str, bytes],
    actor: Actor | None,
    sequence: int | None,
) -> Incoming:
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
        kind,
        pgproto.UUID(name),
        _aggregate(record),
        body,
        record.value,
        headers,
        actor,
        None if reply_partition is None else int(reply_partition),
        None if deadline is None else int(deadline),
        None if fingerprint is None else bytes.fromhex(fingerprint.decode()),
        None if correlation_id is None else _text(correlation_id),
        None if traceparent is None else _text(traceparent),
        sequence,
    )


def _aggregate(record: ConsumerRecord) -> UUID:
    try:
        return pgproto.UUID(record.key.decode())
    except ValueError as error:
        raise _Refused("bad_key") from error


def _text(value: bytes) -> str:
    # Postgres takes no NUL in text, and one such header must not park a key.
    return value.decode().replace("\0", "")
