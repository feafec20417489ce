"""A worker of two lines on a topic of its own: it answers every command as the test wants, on the partition that was named."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from compose.settings import Settings
from producers import publish
from producers.commands import Command
from schemas import envelope
from schemas.envelope import Actor, Wire, new_command_id
from schemas.registry import Message
from tests.producers.topics import topic_of
from topics.catalog import REPLIES

BENCH = Actor(str(uuid4()), ("buyer",))


class Worker:
    """What it heard, and how it answers; an answer of None is no answer."""

    def __init__(self, settings: Settings, message: Message) -> None:
        self.message = message
        self.heard: list[ConsumerRecord] = []
        self.answer: Callable[[ConsumerRecord], Awaitable[dict[str, Any] | None]] = echo
        self._settings = settings
        self._replies: AIOKafkaProducer | None = None

    def command(self, *, key: str | None = None, **said: Any) -> Command:
        """A command to it; with a `key` it can be repeated."""
        data = json.dumps(said).encode()
        command_id = new_command_id() if key is None else envelope.aggregate_of("key", key)
        return Command(
            message=self.message,
            command_id=command_id,
            aggregate=command_id,
            data=data,
            actor=BENCH,
            correlation_id=uuid4().hex,
            fingerprint=None if key is None else envelope.fingerprint_of("Echo", data),
        )

    async def run(self, consumer: AIOKafkaConsumer, replies: AIOKafkaProducer) -> None:
        """Answer until cancelled, each command by itself."""
        self._replies = replies
        async with asyncio.TaskGroup() as tasks:
            async for record in consumer:
                self.heard.append(record)
                tasks.create_task(self._answer(record))

    async def _answer(self, record: ConsumerRecord) -> None:
        said = await self.answer(record)
        if said is not None:
            await self.tell(record, said)

    async def tell(self, record: ConsumerRecord, said: dict[str, Any]) -> None:
        """Send a reply to the one who asked."""
        assert self._replies is not None
        headers = record.headers
        value = publish.reply(
            json_of(record)["commandId"], outcome="accepted", code="echoed", answer=json.dumps(said).encode()
        )
        await self._replies.send_and_wait(
            REPLIES.name,
            value,
            key=json_of(record)["commandId"].encode(),
            partition=int(envelope.header(headers, envelope.REPLY_PARTITION) or 0),
            headers=[(name, kept) for name, kept in headers if name == envelope.CORRELATION_ID],
        )


def json_of(record: ConsumerRecord) -> dict[str, Any]:
    """The envelope of a record."""
    found: dict[str, Any] = json.loads(record.value)
    return found


async def echo(record: ConsumerRecord) -> dict[str, Any] | None:
    """Say again what was said."""
    return dict(json_of(record)["data"])


async def silence(_: ConsumerRecord) -> dict[str, Any] | None:
    """Say nothing."""
    return None


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Worker]:
    """A worker on a fresh topic, until the end of the block."""
    async with topic_of(settings, partitions=1) as topic:
        worker = Worker(settings, Message("Echo", Wire, topic, "stub"))
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        replies = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
        async with consumer, replies:
            running = asyncio.create_task(worker.run(consumer, replies))
            yield worker
            running.cancel()
            await asyncio.wait([running])
