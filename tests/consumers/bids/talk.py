"""Speaks to the running bids worker as the edge does: commands on the topic, replies from a partition of `replies`."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from compose.settings import Settings
from schemas.envelope import Actor, Reply, command_headers, fingerprint_of, new_command_id, print_time, time_ms
from schemas.registry import BY_NAME
from topics.catalog import REPLIES, Topic

PATIENCE_S = 20.0

_reply = msgspec.json.Decoder(Reply)


class Said(NamedTuple):
    """What came back."""

    outcome: str
    code: str
    answer: dict[str, Any]


def buyer(user_id: UUID | None = None) -> Actor:
    return Actor(str(user_id or uuid4()), ("buyer",))


def seller() -> Actor:
    return Actor(str(uuid4()), ("buyer", "seller"))


ADMIN = Actor(str(uuid4()), ("buyer", "admin"))
CLOCK = Actor("clock", ("system",))


def lamp(**changes: Any) -> dict[str, Any]:
    """Data of a good CreateAuction; amounts as their JSON text."""
    return {"title": "Brass lamp", "startingPrice": 10, "duration": 86_400, "tags": ["brass"], **changes}


def now(after_s: float = 0) -> str:
    return print_time(time_ms() + int(after_s * 1000))


class Talk:
    """One conversation with the workers of a stack."""

    def __init__(self, settings: Settings) -> None:
        self._partition = settings.reply_partitions - 1
        self._producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
        self._consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="latest")
        self._waiting: dict[UUID, asyncio.Future[Said]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._producer.start()
        await self._consumer.start()
        here = TopicPartition(REPLIES.name, self._partition)
        self._consumer.assign([here])
        await self._consumer.seek_to_end(here)
        await self._consumer.position(here)
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _listen(self) -> None:
        async for record in self._consumer:
            reply = _reply.decode(record.value)
            waiting = self._waiting.pop(reply.command_id, None)
            if waiting is not None:
                waiting.set_result(Said(reply.outcome, reply.code, msgspec.json.decode(reply.answer)))

    async def say(
        self,
        kind: str,
        auction_id: UUID,
        data: dict[str, Any] | bytes,
        *,
        by: Actor,
        command_id: UUID | None = None,
        keyed: bool = False,
        deadline_ms: int | None = None,
    ) -> Said:
        """Send a command and wait for what becomes of it."""
        name = command_id or new_command_id()
        waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        await self.send(kind, auction_id, data, by=by, command_id=name, keyed=keyed, deadline_ms=deadline_ms, asks=True)
        return await asyncio.wait_for(waiting, PATIENCE_S)

    async def send(
        self,
        kind: str,
        auction_id: UUID,
        data: dict[str, Any] | bytes,
        *,
        by: Actor,
        command_id: UUID | None = None,
        keyed: bool = False,
        deadline_ms: int | None = None,
        asks: bool = False,
    ) -> None:
        """Send a command without waiting for more than the broker."""
        message = BY_NAME[kind]
        name = command_id or new_command_id()
        body = data if isinstance(data, bytes) else msgspec.json.encode(data)
        at = print_time(time_ms())
        value = b'{"commandId":"%b","commandType":"%b","timestamp":"%b","data":%b}' % (
            str(name).encode(),
            kind.encode(),
            at.encode(),
            body,
        )
        await self._producer.send_and_wait(
            message.topic,
            key=str(auction_id).encode(),
            value=value,
            headers=command_headers(
                command_id=name,
                ce_type=message.ce_type,
                source="/edge",
                subject=str(auction_id),
                schema=message.schema,
                at=at,
                actor=by,
                correlation_id=str(name),
                reply_partition=self._partition if asks else None,
                deadline_ms=deadline_ms,
                fingerprint=fingerprint_of(kind, body) if keyed else None,
            ),
        )

    async def tell(self, topic: Topic, *, key: UUID, kind: str, sequence: int, data: dict[str, Any]) -> None:
        """Put an event of another worker on its topic."""
        message = BY_NAME[kind]
        value = {"eventId": uuid4(), "eventType": kind, "timestamp": now(), "sequence": sequence, "data": data}
        await self._producer.send_and_wait(
            topic.name,
            key=str(key).encode(),
            value=msgspec.json.encode(value),
            headers=[("ce_type", message.ce_type.encode()), ("ce_id", str(value["eventId"]).encode())],
        )


async def until(holds: Callable[[], Any], *, within_s: float = PATIENCE_S) -> Any:
    """Wait until the awaited condition gives something true, and return it."""
    ends_at = asyncio.get_running_loop().time() + within_s
    while True:
        found = await holds()
        if found:
            return found
        assert asyncio.get_running_loop().time() < ends_at, f"it did not come true within {within_s} s"
        await asyncio.sleep(0.05)


def types(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["eventType"] for event in events]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
