"""The clock says each end once, again while it is not heard, and in the words of every other clock."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from producers.agenda import Agenda, End, attempt_at, command_id, late_at
from producers.clock import message
from schemas.auctions import CloseAuction
from schemas.envelope import CommandEnvelope, header, read_actor
from tests.consumers.bids.talk import Talk, lamp, now, seller, until

LAMP = UUID("0193b3f0-1111-7000-8000-000000000001")
NOON = 1_700_000_000_000


@pytest.mark.quick
def test_an_end_is_said_when_it_comes_and_not_before() -> None:
    agenda = Agenda()
    agenda.learn([End(LAMP, NOON)])

    assert agenda.due(NOON - 1) == []
    assert agenda.due(NOON) == [(End(LAMP, NOON), 0)]
    assert agenda.due(NOON + 999) == []


@pytest.mark.quick
def test_an_end_that_was_not_heard_is_said_again_less_and_less_often() -> None:
    agenda = Agenda()
    agenda.learn([End(LAMP, NOON)])

    said = [second for second in range(200) for _ in agenda.due(NOON + second * 1000)]

    assert said == [0, 1, 2, 4, 8, 16, 32, 60, 120, 180]


@pytest.mark.quick
@pytest.mark.parametrize("late_ms", [0, 999, 1000, 1999, 4000, 59_999, 60_000, 3_600_000, 86_400_000])
def test_each_moment_belongs_to_the_attempt_that_began_last(late_ms: int) -> None:
    attempt = attempt_at(late_ms)

    assert late_at(attempt) <= late_ms < late_at(attempt + 1)


@pytest.mark.quick
def test_a_clock_that_starts_late_says_the_attempt_of_now_only() -> None:
    agenda = Agenda()
    agenda.learn([End(LAMP, NOON)])

    assert agenda.due(NOON + 5_000) == [(End(LAMP, NOON), 3)]


@pytest.mark.quick
def test_what_the_broker_did_not_take_is_due_at_once_and_only_once() -> None:
    agenda = Agenda()
    agenda.learn([End(LAMP, NOON)])
    for _ in range(3):
        agenda.unsaid(agenda.due(NOON))

    assert agenda.due(NOON) == [(End(LAMP, NOON), 0)]
    assert agenda.due(NOON) == []


@pytest.mark.quick
def test_a_closed_or_extended_auction_is_forgotten_and_what_lies_ahead_is_not() -> None:
    agenda, later = Agenda(), uuid4()
    agenda.learn([End(LAMP, NOON), End(later, NOON + 5_000)])

    agenda.keep_only([End(LAMP, NOON + 120)], until_ms=NOON + 2_000)

    assert agenda.due(NOON + 100) == []
    assert agenda.due(NOON + 200) == [(End(LAMP, NOON + 120), 0)]
    assert agenda.due(NOON + 5_000)[-1] == (End(later, NOON + 5_000), 0)


@pytest.mark.quick
def test_all_clocks_give_one_attempt_one_id_and_each_end_its_own() -> None:
    end = End(LAMP, NOON)

    assert command_id(end, 0) == command_id(End(LAMP, NOON), 0)
    assert len({command_id(end, 0), command_id(end, 1), command_id(End(LAMP, NOON + 1), 0)}) == 3


@pytest.mark.quick
def test_what_is_said_is_a_command_of_the_system_to_that_auction() -> None:
    record = message(End(LAMP, NOON), 0)

    envelope = CommandEnvelope.model_validate_json(record["value"])
    assert record["key"] == str(LAMP).encode()
    assert (envelope.command_type, envelope.command_id) == ("CloseAuction", command_id(End(LAMP, NOON), 0))
    assert CloseAuction.model_validate(envelope.data).end_time == datetime.fromtimestamp(NOON / 1000, UTC)
    assert header(record["headers"], "ce_type") == "auction.close-auction.v1"
    assert read_actor(header(record["headers"], "actor").encode()).is_system  # type: ignore[union-attr]
    assert header(record["headers"], "reply-partition") is None


@pytest.mark.stack
async def test_an_auction_closes_by_itself_within_a_second_of_its_end(talk: Talk, owner: asyncpg.Connection) -> None:
    auction = uuid4()
    # The shortest auction lasts a minute: this one began 58 seconds ago.
    opened = await talk.say("CreateAuction", auction, lamp(duration=60, startTime=now(-58)), by=seller())
    assert opened.code == "opened"

    async def closed() -> asyncpg.Record | None:
        return await owner.fetchrow(
            "SELECT at_ms FROM bids.log WHERE aggregate = $1 AND command_type = 'CloseAuction' AND first_seq IS NOT NULL",
            auction,
        )

    row = await until(closed)
    end_ms = datetime.fromisoformat(opened.answer["endTime"]).timestamp() * 1000
    assert 0 <= row["at_ms"] - end_ms < 1_000
