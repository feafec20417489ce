"""Records become messages, repeated commands are told from new ones."""

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from consumers.runtime import (
    Decision,
    Job,
    ReadAs,
    Remembered,
    Taken,
    by_aggregate,
    emits,
    enqueue,
    takes,
)
from consumers.runtime.incoming import Reading
from consumers.runtime.outcomes import ENTRY_BYTES, Outcomes, id_of_conflict, sift
from consumers.runtime.worker import Worker
from schemas import envelope
from tests.consumers.runtime.builders import COUNTER, Record, command, inbox, incoming

pytestmark = pytest.mark.quick


def test_a_command_is_read_with_all_its_headers() -> None:
    record = command(
        reply_partition=b"4",
        deadline=b"1700000000000",
        fingerprint=b"ab" * 32,
        correlation_id=b"request-1",
        traceparent=b"00-1-2-01",
    )

    [read], unreadable = Reading(inbox()).read([record])

    assert unreadable == []
    assert (read.id, read.aggregate, read.type, read.body) == (UUID(int=9), COUNTER, "Count", {"by": 5})
    assert (read.actor, read.reply_partition) == (envelope.Actor("anna", ("buyer",)), 4)
    assert (read.deadline_ms, read.fingerprint) == (1_700_000_000_000, b"\xab" * 32)
    assert (read.correlation_id, read.traceparent) == ("request-1", "00-1-2-01")
    assert (read.offset, read.at_ms) == (3, 1_700_000_000_000)


def test_a_reader_that_breaks_makes_only_its_message_unreadable() -> None:
    def broken(_data: bytes) -> object:
        raise AttributeError

    readable, unreadable = Reading(inbox(takes={"Count": Taken("trial.count.v1", broken)})).read([command()])

    assert (readable, [one.reason for one in unreadable]) == ([], ["invalid_data"])


class Said(msgspec.Struct):
    by: int
    text: str = ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"commandId":"%b","commandType":"Count","data":{"by":5}}', None),
        (b'{"commandId":"%b","commandType":"Count","sequence":"","data":{"by":5,"more":[]}}', None),
        (b'{"commandId":"%b","commandType":"Count","note":"\\u0000","data":{"by":5}}', None),
        (b'{"commandId":"%b","commandType":"Count","data":{"by":5,"text":"\\u0000"}}', "invalid_data"),
        (b'{"commandId":"%b","commandType":"Count","data":{"by":"five"}}', "invalid_data"),
        (b'{"commandId":"%b","commandType":"Ring","data":{"by":5}}', "unknown_type"),
        (b'{"commandId":"%b","commandType":"Count\xff","data":{"by":5}}', "undecodable"),
        (b'{"commandId":"%b","commandType":"Count","data":{"by":5}', "undecodable"),
    ],
)
def test_a_struct_is_read_with_its_envelope_and_says_the_same_of_what_is_unreadable(
    value: bytes, reason: str | None
) -> None:
    reading = Reading(inbox(takes={"Count": Taken("trial.count.v1", ReadAs(Said, refuses_nul=True))}))

    readable, unreadable = reading.read([replace(command(), value=value % str(UUID(int=9)).encode())])

    assert [one.body for one in readable] == ([] if reason else [Said(5)])
    assert [one.reason for one in unreadable] == ([reason] if reason else [])


def test_events_of_other_types_and_versions_are_passed_over() -> None:
    value = {"eventId": str(uuid4()), "eventType": "Counted", "timestamp": "", "sequence": 2, "data": {}}
    known = Record(json.dumps(value).encode(), headers=[("ce_type", b"trial.counted.v1")])
    newer = Record(json.dumps(value).encode(), headers=[("ce_type", b"trial.counted.v2")])
    other = Record(json.dumps({**value, "eventType": "Rung"}).encode(), headers=[("ce_type", b"trial.rung.v1")])

    readable, unreadable = Reading(
        inbox(commands=False, takes={"Counted": Taken("trial.counted.v1", json.loads)})
    ).read([known, newer, other])

    assert ([one.sequence for one in readable], unreadable) == ([2], [])


def test_types_are_taken_and_told_as_the_registry_names_them() -> None:
    taken = takes("CloseAuction", PlaceBid=json.loads)

    assert {name: one.ce_type for name, one in taken.items()} == {
        "CloseAuction": "auction.close-auction.v1",
        "PlaceBid": "auction.place-bid.v1",
    }
    assert taken["PlaceBid"].read is json.loads
    assert emits("BidPlaced")["BidPlaced"].ce_type == "auction.bid-placed.v1"


def test_new_repeated_and_misused_ids_are_told_apart() -> None:
    outcomes = Outcomes()
    old, twice, used = uuid4(), uuid4(), uuid4()
    outcomes.put(old, Remembered(b"a", b"reply to old"))
    outcomes.put(used, Remembered(b"a", b"reply to used"))
    batch = [
        incoming(0, id=old, fingerprint=b"a"),
        incoming(1, id=twice, fingerprint=b"b"),
        incoming(2, id=twice, fingerprint=b"b"),
        incoming(3, id=used, fingerprint=b"c"),
        incoming(4, id=used, fingerprint=b"c"),
    ]

    sifted = sift(batch, outcomes)

    assert [one.offset for one in sifted.fresh] == [1, 3]
    conflict = id_of_conflict(used, b"c")
    assert [(one.offset, known_as) for one, known_as in sifted.repeats] == [(0, old), (2, twice), (4, conflict)]
    assert sifted.earlier == {used: Remembered(b"a", b"reply to used")}
    assert sifted.recorded_as == {3: conflict}
    assert sifted.rest == []


def test_an_id_misused_within_one_batch_waits_for_the_outcome_of_the_first() -> None:
    both = uuid4()
    batch = [incoming(0), incoming(1, id=both, fingerprint=b"a"), incoming(2, id=both, fingerprint=b"b"), incoming(3)]

    sifted = sift(batch, Outcomes())

    assert [one.offset for one in sifted.fresh] == [0, 1]
    assert [one.offset for one in sifted.rest] == [2, 3]


def test_at_least_the_last_half_of_the_outcomes_is_remembered() -> None:
    outcomes = Outcomes(capacity_bytes=10 * (ENTRY_BYTES + 50))
    ids = [uuid4() for _ in range(100)]

    for one in ids:
        outcomes.put(one, Remembered(None, b"r" * 50))

    remembered = [outcomes.get(one) is not None for one in ids]
    assert all(remembered[-5:])
    assert sum(remembered) <= 10


def test_an_inbox_needs_exactly_one_way_to_take_its_messages() -> None:
    with pytest.raises(ValueError, match="either make_desk or apply"):
        inbox(make_desk=None)


def test_a_worker_has_one_log_and_so_one_inbox_of_commands() -> None:
    with pytest.raises(ValueError, match="one inbox of commands"):
        Worker(name="cli", schema="trial", sql=Path(), inboxes=[inbox(), inbox(topic="others")])


def test_jobs_are_enqueued_by_kind() -> None:
    jobs = [Job(UUID(int=number), kind, b"") for number, kind in zip(count(1), ["mail", "ring", "mail"])]

    writes = enqueue(*jobs)

    assert [(write.wakes, len(write.rows)) for write in writes] == [("mail", 2), ("ring", 1)]


def test_a_batch_is_grouped_by_aggregate_in_its_order() -> None:
    batch = [incoming(0), incoming(1)]

    assert by_aggregate(batch) == {COUNTER: batch}
    assert Decision(batch[0], "no_op", "already").answer == b"{}"
