"""What people do while they look around is told without anybody waiting: kept while Kafka is away, bounded, told once."""

import json
from uuid import UUID, uuid4

import pytest

from compose.settings import Settings
from producers import activity
from producers.activity import Activity
from schemas import envelope
from schemas.activity import SearchResultClicked
from schemas.registry import BY_NAME
from tests.edge_api.waiting import until
from tests.journeys.records import ends, records
from topics.catalog import ACTIVITY_EVENTS


def click(search_id: UUID, position: int) -> SearchResultClicked:
    return SearchResultClicked(search_id=search_id, searcher_id=search_id, result_id=uuid4(), position=position)


def tell(door: Activity, search_id: UUID, position: int) -> None:
    door.tell(
        click(search_id, position),
        key=search_id,
        aggregate=uuid4(),
        traceparent="00-a-b-00",
        correlation_id="request-1",
    )


@pytest.mark.stack
async def test_what_was_told_before_kafka_was_there_is_told_in_order_and_all_of_it_before_the_end(
    stack: Settings,
) -> None:
    before, search_id = await ends(stack.kafka_bootstrap, ACTIVITY_EVENTS.name), uuid4()
    door = Activity(stack.kafka_bootstrap)
    for position in range(1, 51):
        tell(door, search_id, position)

    door.start()
    await until(lambda: not door.waiting)
    tell(door, search_id, 51)
    await door.stop()

    told = [
        record
        async for record in records(stack.kafka_bootstrap, [ACTIVITY_EVENTS.name], before)
        if record.key == str(search_id).encode()
    ]
    assert [json.loads(record.value)["data"]["position"] for record in told] == list(range(1, 52))
    assert (door.waiting, door.dropped) == (0, 0)
    headers = dict(told[0].headers)
    assert headers[envelope.CE_TYPE].decode() == BY_NAME["SearchResultClicked"].ce_type
    assert headers[envelope.CE_ID].decode() == json.loads(told[0].value)["eventId"]
    assert headers[envelope.CORRELATION_ID] == b"request-1"


@pytest.mark.quick
async def test_a_kafka_that_stays_away_costs_neither_memory_nor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "WAITING_MAX", 3)
    monkeypatch.setattr(activity, "STOP_TIMEOUT_S", 0.05)
    door, search_id = Activity("127.0.0.1:1"), uuid4()
    door.start()

    for position in range(1, 6):
        tell(door, search_id, position)
    await door.stop()

    assert (door.waiting, door.dropped) == (3, 2)
