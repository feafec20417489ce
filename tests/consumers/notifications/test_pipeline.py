"""The whole way on the running stack: an event on the topic, a mail in the stand-in, its outcome on the topic and in the log."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from compose.settings import Settings
from consumers.notifications.letters import job_id_of
from schemas import envelope
from schemas.registry import BY_NAME
from schemas.users import EmailVerificationRequested
from tests.consumers.notifications.office import Reader, new_reader
from topics.catalog import NOTIFICATION_EVENTS, USER_EVENTS

pytestmark = pytest.mark.stack

WITHIN_S = 30


class Topics:
    """Speaks as accounts, and hears what notifications tells."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer

    async def ask_for_verification(self, reader: Reader, token: str, *, sequence: int = 1) -> UUID:
        """Put an EmailVerificationRequested on user-events; returns its event id."""
        happened = EmailVerificationRequested(
            user_id=reader.user_id,
            username=reader.email.partition("@")[0],
            sealed_email=reader.seal(reader.email, "email"),
            sealed_token=reader.seal(token, "token"),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
        event_id = envelope.event_id_of(reader.user_id, sequence)
        value = envelope.EventEnvelope(
            event_id=event_id,
            event_type="EmailVerificationRequested",
            timestamp=datetime.now(UTC),
            sequence=sequence,
            data=happened.model_dump(by_alias=True, mode="json"),
        )
        await self._producer.send_and_wait(
            USER_EVENTS.name,
            value.model_dump_json(by_alias=True, exclude_none=True).encode(),
            key=str(reader.user_id).encode(),
            headers=[
                (envelope.CE_TYPE, BY_NAME["EmailVerificationRequested"].ce_type.encode()),
                (envelope.CORRELATION_ID, b"request-of-a-test"),
            ],
        )
        return event_id

    async def told_about(self, reader: Reader) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The next event about a reader on notification-events, and its headers."""
        async with asyncio.timeout(WITHIN_S):
            async for record in self._consumer:
                if record.key == str(reader.user_id).encode():
                    return json.loads(record.value), dict(record.headers)
        raise AssertionError("the topic ended")


@pytest.fixture
async def topics(stack: Settings) -> AsyncIterator[Topics]:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all")
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap, enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    partitions = [TopicPartition(NOTIFICATION_EVENTS.name, number) for number in range(stack.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)
    yield Topics(producer, consumer)
    await consumer.stop()
    await producer.stop()


@pytest.fixture
async def reader(stack: Settings, owner: asyncpg.Connection) -> AsyncIterator[Reader]:
    """Somebody whose key stands in accounts' keyring."""
    made = new_reader(stack)
    await owner.execute("INSERT INTO accounts.keyring VALUES ($1, $2)", made.user_id, made.wrapped_key)
    yield made
    await owner.execute("DELETE FROM accounts.keyring WHERE user_id = $1", made.user_id)


async def mail_to(stack: Settings, address: str, *, with_text: str) -> list[dict[str, Any]]:
    """Mail in the stack's stand-in, once there is one with a text in it."""
    async with httpx.AsyncClient(base_url=str(stack.sendgrid_host)) as client, asyncio.timeout(WITHIN_S):
        while True:
            items: list[dict[str, Any]] = (await client.get("/sandbox/messages", params={"to": address})).json()[
                "items"
            ]
            if any(with_text in item["text"] for item in items):
                return items
            await asyncio.sleep(0.1)


async def test_an_event_becomes_a_letter_and_its_outcome_an_event(
    stack: Settings, topics: Topics, reader: Reader, owner: asyncpg.Connection
) -> None:
    token = f"{reader.user_id}.{secrets.token_urlsafe(24)}"
    event_id = await topics.ask_for_verification(reader, token)
    job_id = job_id_of(event_id)

    [message] = await mail_to(stack, reader.email, with_text=token)
    told, headers = await topics.told_about(reader)

    assert message["custom_args"] == {"job_id": str(job_id)}
    assert f"{str(stack.public_url).rstrip('/')}/verify?token={token}" in message["text"]
    assert told["eventId"] == str(envelope.event_id_of(reader.user_id, 1))
    assert (told["eventType"], told["sequence"]) == ("NotificationSent", 1)
    assert told["data"] == {
        "userId": str(reader.user_id),
        "notificationId": str(job_id),
        "channel": "email",
        "kind": "email-verification",
        "providerId": message["message_id"],
    }
    assert headers["ce_type"] == b"notification.notification-sent.v1"
    assert headers["correlation-id"] == b"request-of-a-test"
    row = await owner.fetchrow("SELECT * FROM notifications.delivery WHERE notification_id = $1", job_id)
    assert row is not None
    assert (row["outcome"], row["provider_id"]) == ("sent", message["message_id"])


async def test_a_repeated_event_makes_no_second_letter(stack: Settings, topics: Topics, reader: Reader) -> None:
    first, second = (f"{reader.user_id}.{secrets.token_urlsafe(24)}" for _ in range(2))
    for _ in range(3):
        await topics.ask_for_verification(reader, first, sequence=1)
    await mail_to(stack, reader.email, with_text=first)
    await topics.ask_for_verification(reader, first, sequence=1)

    # The next event of the same person comes after all repeats: when its letter is there, theirs would be too.
    await topics.ask_for_verification(reader, second, sequence=2)
    items = await mail_to(stack, reader.email, with_text=second)

    assert len(items) == 2
    assert [item["repeat_of"] for item in items] == [None, None]
    assert [(await topics.told_about(reader))[0]["sequence"] for _ in range(2)] == [1, 2]
