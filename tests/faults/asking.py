"""Asks a bids worker over Kafka as edge processes do, two of them, and keeps what each was answered."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from compose.settings import Settings
from schemas.envelope import Actor, command_headers, fingerprint_of, header, new_command_id, print_time, time_ms
from schemas.registry import BY_NAME
from tests.faults.history import Answer, read, stated
from tests.faults.house import until
from topics.catalog import AUCTION_COMMANDS, REPLIES

ANSWERED_WITHIN_S = 15.0
CLOCK = Actor("clock", ("system",))


class Person(NamedTuple):
    """Somebody who bids or sells."""

    id: UUID
    roles: tuple[str, ...] = ("buyer",)

    @property
    def actor(self) -> Actor:
        return Actor(str(self.id), self.roles)


def bidder() -> Person:
    return Person(uuid4())


def seller() -> Person:
    return Person(uuid4(), ("buyer", "seller"))


def lamp(**changes: Any) -> dict[str, Any]:
    """What a seller asks who offers a lamp from 10.00 on, each bid a cent more."""
    return {"title": "Brass lamp", "startingPrice": 10, "duration": 86_400, "increments": "FLAT-1", **changes}


class _Asked(NamedTuple):
    command_id: UUID
    data: dict[str, Any]
    answer: "asyncio.Future[Answer]"


class Asking:
    """Askers who listen at reply partitions 0 and 1, in turn."""

    def __init__(self, settings: Settings, *, prefix: str = "") -> None:
        self.answers: list[Answer] = []
        self._commands, self._replies = prefix + AUCTION_COMMANDS.name, prefix + REPLIES.name
        self._producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
        self._consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
        self._waiting: dict[tuple[int, str], _Asked] = {}
        self._times = 0
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen."""
        await self._producer.start()
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self._replies, partition) for partition in (0, 1)])
        await self._consumer.seek_to_end()
        for tp in self._consumer.assignment():
            await self._consumer.position(tp)
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _listen(self) -> None:
        async for record in self._consumer:
            asked = self._waiting.pop((record.partition, header(record.headers, "correlation-id") or ""), None)
            if asked is None:
                continue
            reply = read(record.value)
            fields = reply["answer"] | {"commandId": reply["commandId"]}
            answer = Answer(str(asked.command_id), asked.data, reply["outcome"], reply["code"], fields)
            self.answers.append(answer)
            asked.answer.set_result(answer)

    async def ask(
        self,
        kind: str,
        auction_id: UUID,
        data: dict[str, Any],
        *,
        by: Person | Actor,
        command_id: UUID | None = None,
    ) -> "asyncio.Future[Answer]":
        """Send a command and wait until the broker has it; the answer comes when it comes."""
        answer, sent = await self._send(kind, auction_id, data, by, command_id)
        await sent
        return answer

    async def bid_together(self, bids: Sequence[tuple[UUID, float, Person]]) -> None:
        """Send bids (auction, amount, bidder) so that the broker gets all of them at once."""
        sent = [await self._send("PlaceBid", auction, {"amount": amount}, by, None) for auction, amount, by in bids]
        await asyncio.gather(*(acknowledged for _, acknowledged in sent))

    async def _send(
        self, kind: str, auction_id: UUID, data: dict[str, Any], by: Person | Actor, command_id: UUID | None
    ) -> "tuple[asyncio.Future[Answer], asyncio.Future[Any]]":
        message, body = BY_NAME[kind], msgspec.json.encode(data)
        name, correlation_id, at = command_id or new_command_id(), uuid4().hex, print_time(time_ms())
        self._times += 1
        asker = self._times % 2
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[asker, correlation_id] = _Asked(name, stated(read(body)), answer)
        sent = await self._producer.send(
            self._commands,
            key=str(auction_id).encode(),
            value=b'{"commandId":"%b","commandType":"%b","timestamp":"%b","data":%b}'
            % (str(name).encode(), kind.encode(), at.encode(), body),
            headers=command_headers(
                command_id=name,
                ce_type=message.ce_type,
                source="/edge",
                subject=str(auction_id),
                schema=message.schema,
                at=at,
                actor=by.actor if isinstance(by, Person) else by,
                correlation_id=correlation_id,
                reply_partition=asker,
                fingerprint=fingerprint_of(kind, body) if command_id is not None else None,
            ),
        )
        return answer, sent

    async def told(self, kind: str, auction_id: UUID, data: dict[str, Any], *, by: Person | Actor) -> Answer:
        """Send a command and wait for its answer."""
        return await asyncio.wait_for(await self.ask(kind, auction_id, data, by=by), ANSWERED_WITHIN_S)

    async def heard_all(self) -> None:
        """Wait until every reply that is on the topic now was taken."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))

        async def heard() -> bool:
            return all([await self._consumer.position(tp) >= end for tp, end in ends.items()])

        await until(heard, within_s=ANSWERED_WITHIN_S, what="all replies are heard")

    @property
    def unanswered(self) -> list[str]:
        """Who still waits."""
        return [str(asked.command_id) for asked in self._waiting.values()]
