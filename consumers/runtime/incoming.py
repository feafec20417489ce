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
        ce_type, reader = self._takes.get(read.command_type, (None, None))
        if reader is None or headers.get(envelope.CE_TYPE) != ce_type:
            raise _Refused("unknown_type")
        body = _body(reader, read.data)
        try:
            return Incoming(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                at_ms=record.timestamp,
                key=record.key,
                type=read.command_type,
                id=pgproto.UUID(read.command_id),
                aggregate=_aggregate(record),
                body=body,
                value=record.value,
                headers=headers,
                actor=self._actor(headers),
                reply_partition=_number(headers, envelope.REPLY_PARTITION),
                deadline_ms=_number(headers, envelope.DEADLINE),
                fingerprint=_fingerprint(headers),
                correlation_id=_text(headers, envelope.CORRELATION_ID),
                traceparent=_text(headers, envelope.TRACEPARENT),
            )
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise _Refused("bad_header") from error

    def _read_event(self, record: ConsumerRecord) -> Incoming | None:
        self._check(record)
        try:
            read = self._event.decode(record.value)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _Refused("undecodable") from error
        headers = dict(record.headers)
        ce_type, reader = self._takes.get(read.event_type, (None, None))
        if reader is None or headers.get(envelope.CE_TYPE) != ce_type:
            return None
        body = _body(reader, read.data)
        try:
            return Incoming(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                at_ms=record.timestamp,
                key=record.key,
                type=read.event_type,
                id=pgproto.UUID(read.event_id),
                aggregate=_aggregate(record),
                body=body,
                value=record.value,
                headers=headers,
                correlation_id=_text(headers, envelope.CORRELATION_ID),
                traceparent=_text(headers, envelope.TRACEPARENT),
                sequence=read.sequence,
            )
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


def _aggregate(record: ConsumerRecord) -> UUID:
    try:
        return pgproto.UUID(record.key.decode())
    except ValueError as error:
        raise _Refused("bad_key") from error


def _number(headers: Mapping[str, bytes], name: str) -> int | None:
    value = headers.get(name)
    return None if value is None else int(value)


def _text(headers: Mapping[str, bytes], name: str) -> str | None:
    value = headers.get(name)
    # Postgres takes no NUL in text, and one such header must not park a key.
    return None if value is None else value.decode().replace("\0", "")


def _fingerprint(headers: Mapping[str, bytes]) -> bytes | None:
    value = headers.get(envelope.FINGERPRINT)
    return None if value is None else bytes.fromhex(value.decode())
