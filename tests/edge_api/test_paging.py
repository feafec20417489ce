"""Cursors: they lead to the next page and nowhere else."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_api.paging import page, read_number, read_place, write_number, write_place
from edge_api.problems import Problem

pytestmark = pytest.mark.quick


@given(at=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)), identity=st.uuids())  # noqa: DTZ001
def test_a_place_is_found_again_exactly(at: datetime, identity: UUID) -> None:
    assert read_place(write_place(at, identity)) == (at, identity)


@given(number=st.integers(0, 10**18 - 1))
def test_a_number_is_found_again(number: int) -> None:
    assert read_number(write_number(number)) == number


@given(cursor=st.text(max_size=250))
def test_what_is_no_cursor_is_refused_and_breaks_nothing(cursor: str) -> None:
    for read in (read_place, read_number):
        with suppress(Problem):
            read(cursor)


@pytest.mark.parametrize("cursor", ["", "!", "MTIz", "x" * 300, "bm90aGluZw", "\u00e9"])
def test_the_refusal_names_the_cursor(cursor: str) -> None:
    with pytest.raises(Problem) as refusal:
        read_place(cursor)

    assert [error.field for error in refusal.value.errors] == ["cursor"]


def test_a_page_names_its_last_item_only_when_there_is_more() -> None:
    full = page([1, 2, 3], 2, ["a", "b", "c"], str)
    last = page([1, 2], 2, ["a", "b"], str)

    assert full == {"items": ["a", "b"], "nextCursor": "2"}
    assert last == {"items": ["a", "b"], "nextCursor": None}


def test_a_place_before_time_began_is_kept_too() -> None:
    early = datetime(1969, 12, 31, tzinfo=UTC) + timedelta(microseconds=1)

    assert read_place(write_place(early, UUID(int=0))) == (early, UUID(int=0))
