"""The timeline of a finished auction: each bid at its moment of the film (WebVTT metadata)."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from edge_api.timeline import Moment, moment_s, webvtt
from schemas.envelope import print_time
from tests.edge_api.doorway import ANNA, AUCTION, MINA, Doorway
from tests.edge_api.test_streams import VIDEO, film

pytestmark = pytest.mark.quick

STARTED = datetime(2026, 3, 1, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stream_time", "since_start", "film_s", "at"),
    [
        (None, 5.25, 12.0, 5.25),
        (3.5, 5.25, 12.0, 3.5),
        (None, 60.0, 12.0, 11.999),
        (99.0, 5.0, 12.0, 11.999),
        (None, 60.0, None, 60.0),
        (None, -0.5, 12.0, 0.0),
    ],
)
def test_the_moment_is_what_the_bidder_saw_else_the_time_since_the_start(
    stream_time: float | None, since_start: float, film_s: float | None, at: float
) -> None:
    assert moment_s(stream_time, since_start, film_s) == pytest.approx(at)


def test_each_cue_lasts_until_the_next_one_and_the_last_until_the_films_end() -> None:
    track = webvtt([Moment(8.0, "2", {"seq": 2}), Moment(1.5, "1", {"seq": 1}), Moment(8.0, "3", {"seq": 3})], 3_725.0)

    assert track.split("\n") == [
        "WEBVTT", "",
        "1", "00:00:01.500 --> 00:00:08.000", '{"seq":1}', "",
        "2", "00:00:08.000 --> 01:02:05.000", '{"seq":2}', "",
        "3", "00:00:08.000 --> 01:02:05.000", '{"seq":3}', "",
    ]  # fmt: skip


def test_words_of_people_break_no_cue() -> None:
    track = webvtt([Moment(0.0, "1", {"said": "a --> b\n\nWEBVTT"})], 5.0)

    [text] = re.findall(r"^\{.*\}$", track, re.MULTILINE)
    assert "-->" not in text
    assert json.loads(text) == {"said": "a --> b\n\nWEBVTT"}


def auction(status: str = "ended", **more: Any) -> dict[str, Any]:
    return {
        "id": AUCTION,
        "status": status,
        "video_id": VIDEO,
        "starts_at": STARTED,
        "ends_at": STARTED + timedelta(seconds=60),
        "currency": "USD",
        "outcome": "sold",
        "winner_id": ANNA,
        "final_price_minor": 15_000,
        "seller_id": MINA,
    } | more


def bid(sequence: int, seconds: float, **more: Any) -> dict[str, Any]:
    at_ms = round((STARTED.timestamp() + seconds) * 1000)
    data = {
        "bidId": str(uuid4()),
        "bidderId": str(ANNA),
        "amount": 100 + sequence,
        "isWinning": True,
        "automatic": False,
        "placedAt": print_time(at_ms),
    } | more
    return {"sequence": sequence, "event_type": "BidPlaced", "envelope": msgspec.json.encode({"data": data})}


async def timeline(doorway: Doorway) -> httpx.Response:
    async with doorway.client() as client:
        return await client.get(f"/auctions/{AUCTION}/timeline")


async def test_a_replay_finds_each_bid_and_the_hammer_and_nobody_by_name(doorway: Doorway) -> None:
    bids = [bid(4, 3.0, streamTimeMs=7_250), bid(2, 1.5)]
    doorway.edge.views = {"auction_view": [auction()], "public_events_before": bids, "asset_view": [film()]}

    answer = await timeline(doorway)

    assert answer.headers["content-type"].startswith("text/vtt")
    assert re.findall(r"^\d\d:\S+ --> ", answer.text, re.MULTILINE) == [
        "00:00:01.500 --> ", "00:00:07.250 --> ", "00:00:11.999 --> ",
    ]  # fmt: skip
    told = [json.loads(line) for line in answer.text.split("\n") if line.startswith("{")]
    assert [one.get("seq") for one in told] == [2, 4, None]
    assert told[-1]["event"] == "auction_ended"
    assert told[-1]["winnerId"] == told[0]["bidderId"] == doorway.edge.pseudonym(AUCTION, ANNA)
    assert str(ANNA) not in answer.text


@pytest.mark.parametrize(
    ("found", "status", "code"),
    [
        ([], 404, "auction_not_found"),
        ([auction("draft")], 404, "auction_not_found"),
        ([auction("live")], 409, "auction_not_ended"),
        ([auction("scheduled")], 409, "auction_not_ended"),
        ([auction("cancelled")], 410, "auction_cancelled"),
    ],
)
async def test_only_a_finished_auction_has_a_timeline(
    doorway: Doorway, found: list[Any], status: int, code: str
) -> None:
    doorway.edge.views = {"auction_view": found}

    answer = await timeline(doorway)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_auction_without_a_film_has_a_timeline_too(doorway: Doorway) -> None:
    doorway.edge.views = {"auction_view": [auction(video_id=None)], "public_events_before": [bid(2, 42.0)]}

    answer = await timeline(doorway)

    assert "00:00:42.000 --> 00:01:00.000" in answer.text
