"""Outcomes become events, numbered per user, whatever was recorded before: the desk on a real database."""

import json
from uuid import UUID, uuid4

import pytest

from consumers.notifications.desks import Deliveries
from consumers.runtime import Actor, Incoming, Remembered, Verdict
from schemas.notifications import RecordDelivery
from tests.consumers.notifications.builders import ANNA, LETTER, PLATFORM, failed, sent
from tests.consumers.notifications.office import Office

pytestmark = pytest.mark.stack

OTHER_LETTER = UUID("11111111-0000-4000-8000-000000000002")
BEN = UUID("bbbbbbbb-0000-4000-8000-000000000002")

LOGGED = """
    INSERT INTO log (partition, src_offset, aggregate, first_seq, last_seq, command_id, command_type, at_ms, reply, events)
    VALUES (0, $1, $2, $3, $4, $5, 'RecordDelivery', 0, '', '{}')
"""


def incoming(command: RecordDelivery, *, key: UUID = ANNA, actor: Actor = PLATFORM) -> Incoming:
    return Incoming(
        topic="notification-commands",
        partition=0,
        offset=0,
        at_ms=1_900_000_000_000,
        key=str(key).encode(),
        type="RecordDelivery",
        id=uuid4(),
        aggregate=key,
        body=command,
        value=b"{}",
        headers={},
        actor=actor,
    )


async def judged(
    office: Office, *batch: Incoming, earlier: dict[UUID, Remembered] | None = None
) -> list[tuple[str, list[tuple[str, int]]]]:
    """Have a batch decided and its writes made; per message the code, and type and sequence of what is told."""
    verdict: Verdict = await Deliveries().decide(batch, earlier or {}, office.db)  # type: ignore[arg-type]
    for write in verdict.writes:
        await office.db.executemany(write.sql, write.rows)
    return [(one.code, [(told.type, told.sequence) for told in one.events]) for one in verdict.decisions]


async def test_outcomes_of_one_batch_follow_each_other(office: Office) -> None:
    other = {"notification_id": OTHER_LETTER}

    decided = await judged(
        office, incoming(failed()), incoming(sent(**other)), incoming(failed(**other)), incoming(sent())
    )

    assert decided == [
        ("failed", [("NotificationFailed", 1)]),
        ("sent", [("NotificationSent", 2)]),
        ("already_sent", []),
        ("sent", [("NotificationSent", 3)]),
    ]
    rows = await office.db.fetch("SELECT notification_id, outcome, provider_id, reason FROM delivery ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        (LETTER, "sent", "sg-1", None),
        (OTHER_LETTER, "sent", "sg-1", None),
    ]


async def test_numbers_go_on_where_the_log_ends_and_each_user_has_their_own(office: Office) -> None:
    await office.db.execute(LOGGED, 1, ANNA, 7, 7, uuid4())
    await office.db.execute(LOGGED, 2, ANNA, None, None, uuid4())

    decided = await judged(
        office,
        incoming(sent()),
        incoming(sent(user_id=BEN, notification_id=OTHER_LETTER), key=BEN),
    )

    assert decided == [("sent", [("NotificationSent", 8)]), ("sent", [("NotificationSent", 1)])]


async def test_what_was_recorded_in_an_earlier_batch_is_remembered(office: Office) -> None:
    await judged(office, incoming(sent()))

    assert await judged(office, incoming(failed())) == [("already_sent", [])]


async def test_a_command_under_another_users_key_or_id_changes_nothing(office: Office) -> None:
    stolen = incoming(sent())

    decided = await judged(
        office,
        incoming(sent(), key=BEN),
        incoming(sent(), actor=Actor(str(ANNA), ("admin",))),
        stolen,
        earlier={stolen.id: Remembered(None, b"{}")},
    )

    assert decided == [("key_mismatch", []), ("forbidden", []), ("idempotency_conflict", [])]
    assert await office.db.fetchval("SELECT count(*) FROM delivery") == 0


async def test_an_event_says_no_more_than_the_schema(office: Office) -> None:
    verdict = await Deliveries().decide([incoming(failed())], {}, office.db)  # type: ignore[arg-type]

    [told] = verdict.decisions[0].events
    assert json.loads(told.value) == {
        "eventId": told.id,
        "eventType": "NotificationFailed",
        "timestamp": "2030-03-17T17:46:40.000Z",
        "sequence": 1,
        "data": {
            "userId": str(ANNA),
            "notificationId": str(LETTER),
            "channel": "email",
            "kind": "email-verification",
            "reason": "SendGrid answered 400",
        },
    }
