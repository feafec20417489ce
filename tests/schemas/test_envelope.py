"""Ids and times of messages."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import (
    Actor,
    command_id_of,
    event_id_of,
    new_command_id,
    parse_time,
    print_time,
    read_actor,
    write_actor,
)

pytestmark = pytest.mark.quick

ANNA = uuid.UUID("5b0c6f5e-4f0a-4a5b-8f38-6f1d2f7a9c02")


@given(st.integers(0, 4_102_444_800_000))
def test_times_keep_their_milliseconds(at_ms: int) -> None:
    assert parse_time(print_time(at_ms)) == at_ms


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_time("2026-11-23T12:00:00")


def test_ids_of_repeats_are_the_same_and_of_others_are_not() -> None:
    assert command_id_of(ANNA, "k") == command_id_of(ANNA, "k") != command_id_of(ANNA, "l")
    assert event_id_of(ANNA, 1) == event_id_of(ANNA, 1) != event_id_of(ANNA, 2)


def test_fresh_ids_are_version_7_and_all_different() -> None:
    ids = [new_command_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}


def test_an_actor_survives_the_header() -> None:
    actor = Actor(str(ANNA), ("buyer", "seller"))

    assert read_actor(write_actor(actor)) == actor
