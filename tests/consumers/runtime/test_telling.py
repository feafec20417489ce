"""Events and replies as they go to the broker."""

import json
from typing import Any

import msgspec
import pytest

from consumers.runtime import (
    event,
)
from producers.publish import EventTooLarge, Kind, LogRow, Publisher, asker_id, reply
from schemas import envelope
from tests.consumers.runtime.builders import COUNTER

pytestmark = pytest.mark.quick


def test_event_ids_are_those_of_the_schema() -> None:
    told = event("Counted", aggregate=COUNTER, sequence=12, at="2026-01-01T00:00:00.000Z", data=b'{"by":1}')

    assert told.id == str(envelope.event_id_of(COUNTER, 12))
    assert json.loads(told.value) == {
        "eventId": told.id,
        "eventType": "Counted",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "sequence": 12,
        "data": {"by": 1},
    }


def test_a_reply_names_the_id_that_its_asker_knows() -> None:
    value = reply(COUNTER, outcome="accepted", code="counted", answer=b'{"total":1}')

    read = msgspec.json.decode(value, type=envelope.Reply)
    assert (read.command_id, read.outcome, read.code, bytes(read.answer)) == (
        COUNTER,
        "accepted",
        "counted",
        b'{"total":1}',
    )
    assert asker_id(value) == str(COUNTER).encode()


def row(**changes: Any) -> LogRow:
    value = reply(COUNTER, outcome="accepted", code="counted", answer=b"{}")
    made = LogRow(0, 1, COUNTER, 1, 1, COUNTER, "Count", "anna", None, 0, None, value, [], None, None, None)
    return made._replace(**changes)


def publisher() -> Publisher:
    return Publisher(None, topic="events", kinds={"Counted": Kind("trial.counted.v1", "none")}, source="/trial")


def test_an_event_that_the_broker_would_refuse_for_ever_is_found_before_the_commit() -> None:
    told = event("Counted", aggregate=COUNTER, sequence=1, at="", data=b'{"by":"%b"}' % (b"x" * 1_000_000))

    with pytest.raises(EventTooLarge):
        publisher().records([(row(), [told])])


def test_an_event_that_is_not_the_inboxes_own_is_found_before_the_commit() -> None:
    with pytest.raises(KeyError):
        publisher().records([(row(), [event("Rung", aggregate=COUNTER, sequence=1, at="", data=b"{}")])])
