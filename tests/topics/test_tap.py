"""People look at topics without disturbing the groups."""

import uuid

import pytest
from aiokafka import AIOKafkaProducer

from compose.settings import Settings
from topics.catalog import CATALOG
from topics.create import create
from topics.lag import lags
from topics.tap import UnknownTopic, tap

pytestmark = pytest.mark.stack


async def test_what_was_written_is_shown_by_key(stack: Settings) -> None:
    key = str(uuid.uuid4())
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap)
    await producer.start()
    await producer.send_and_wait(
        "notification-events", b'{"eventType":"Strange"}', key=key.encode(), headers=[("ce_id", b"1")]
    )
    await producer.send_and_wait("notification-events", b"not json", key=key.encode())
    await producer.stop()

    shown = [record async for record in tap(stack, "notification-events", from_start=True, key=key)]

    assert [record["value"] for record in shown] == [{"eventType": "Strange"}, "not json"]
    assert (shown[0]["type"], shown[0]["headers"]) == ("Strange", {"ce_id": "1"})


async def test_an_unknown_topic_is_named(stack: Settings) -> None:
    with pytest.raises(UnknownTopic, match="auction-bids"):
        [record async for record in tap(stack, "auction-bids")]


async def test_every_group_has_its_lag(stack: Settings) -> None:
    found = await lags(stack)

    assert {(lag.topic, lag.group) for lag in found} == {
        (topic.name, group) for topic in CATALOG for group in topic.readers
    }
    assert all(lag.behind >= 0 for lag in found)


async def test_creating_topics_twice_changes_nothing(stack: Settings) -> None:
    assert await create(stack) == []
