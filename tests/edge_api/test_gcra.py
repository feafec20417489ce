"""Limits: a burst of N, then one more whenever a share of the period has passed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_api.gcra import Limit, Verdict, arrive, verdict

pytestmark = pytest.mark.quick

TEN_A_MINUTE = Limit("login", 10, 60)
NOON = 1_800_000_000_000.0


def knock(limit: Limit, times_ms: list[float]) -> list[Verdict]:
    kept: float | None = None
    heard = []
    for at in times_ms:
        allowed, arrival = arrive(limit, kept, at)
        if allowed:
            kept = arrival
        heard.append(verdict(limit, allowed, arrival, at))
    return heard


def test_a_burst_is_let_in_and_the_next_one_is_not() -> None:
    heard = knock(TEN_A_MINUTE, [NOON] * 11)

    assert [one.allowed for one in heard] == [True] * 10 + [False]
    assert [one.remaining for one in heard] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]


def test_who_is_sent_away_is_told_when_to_come_again() -> None:
    refused = knock(TEN_A_MINUTE, [NOON] * 11)[-1]

    assert refused.retry_s == pytest.approx(6)
    assert knock(TEN_A_MINUTE, [NOON] * 10 + [NOON + 6_000])[-1].allowed
    assert not knock(TEN_A_MINUTE, [NOON] * 10 + [NOON + 5_900])[-1].allowed


def test_being_sent_away_costs_nothing() -> None:
    heard = knock(TEN_A_MINUTE, [NOON] * 30 + [NOON + 6_000])

    assert heard[-1].allowed


def test_after_a_period_all_are_left_again() -> None:
    first = knock(TEN_A_MINUTE, [NOON] * 10 + [NOON + 60_000])[-1]

    assert first.remaining == 9
    assert first.reset_s == pytest.approx(6)


@given(
    requests=st.integers(1, 1_000),
    period_s=st.integers(1, 3_600),
    gaps=st.lists(st.floats(0, 120_000), min_size=1, max_size=200),
)
def test_never_more_than_a_burst_and_what_was_earned_since(requests: int, period_s: int, gaps: list[float]) -> None:
    limit = Limit("any", requests, period_s)
    times, now = [], NOON
    for gap in gaps:
        now += gap
        times.append(now)

    heard = knock(limit, times)

    admitted = sum(one.allowed for one in heard)
    earned = (times[-1] - times[0]) / limit.interval_ms
    assert admitted <= requests + earned + 1e-6 * len(gaps)
    assert all((one.retry_s == 0) == one.allowed for one in heard)
    assert all(0 <= one.remaining < requests for one in heard)
