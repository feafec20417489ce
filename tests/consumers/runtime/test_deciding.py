"""One command, one outcome: what is decided is committed, told and answered once, whoever asks again."""

import json

import pytest

from schemas import envelope
from tests.consumers.runtime.trial import Stage, counter_of, until

pytestmark = pytest.mark.stack

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_command_is_decided_told_and_answered(stage: Stage) -> None:
    await stage.running()
    counter = counter_of(0)

    command_id = await stage.count(5, counter=counter, traceparent=TRACE, correlation_id="request-7")

    [answer] = (await stage.answers(command_id))[command_id]
    assert json.loads(answer.value) == {
        "commandId": str(command_id),
        "outcome": "accepted",
        "code": "counted",
        "answer": {"total": 5},
    }
    assert envelope.header(answer.headers, "correlation-id") == "request-7"
    [told] = await stage.events()
    assert (told.key, json.loads(told.value)["data"]) == (str(counter).encode(), {"by": 5, "total": 5})
    row = (await stage.decided(command_id))[command_id]
    assert (row["actor"], row["first_seq"], row["reply"]) == ("anna", 1, answer.value)
    await stage.check_history()


async def test_an_event_names_its_cause_its_request_and_its_trace(stage: Stage) -> None:
    await stage.running()
    counter = counter_of(0)

    command_id = await stage.count(counter=counter, traceparent=TRACE, correlation_id="request-8")

    await stage.answers(command_id)
    [told] = await until(stage.events)
    assert {name: value.decode() for name, value in told.headers} == {
        "ce_specversion": "1.0",
        "ce_id": str(envelope.event_id_of(counter, 1)),
        "ce_source": "/cli",
        "ce_type": "trial.counted.v1",
        "ce_time": json.loads(told.value)["timestamp"],
        "ce_subject": str(counter),
        "ce_dataschema": "none",
        "content-type": "application/json",
        "traceparent": TRACE,
        "correlation-id": "request-8",
        "causation-id": str(command_id),
    }
    assert json.loads(told.value)["eventId"] == str(envelope.event_id_of(counter, 1))
