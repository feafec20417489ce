"""A till at the running stack."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from compose.settings import Settings
from tests.consumers.payments.till import Till


@pytest.fixture
async def till(stack: Settings, owner: asyncpg.Connection) -> AsyncIterator[Till]:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all")
    await producer.start()
    async with httpx.AsyncClient(base_url=str(stack.stripe_api_base), timeout=30, follow_redirects=False) as stripe:
        yield Till(stack, producer, owner, stripe)
    await producer.stop()
