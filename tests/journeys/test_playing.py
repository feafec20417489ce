"""Films as they are played: from the signed address alone, through the CDN, by who may watch and no longer than they may."""

import asyncio
import json
import re
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from compose.settings import Settings
from producers import film, filming
from tests.conftest import NewPeople
from tests.journeys.cinema import FRAMES, HEIGHT, RATE, WIDTH, Cinema, make, unsigned

pytestmark = pytest.mark.stack

STOPPED_WITHIN_S = 60
LAMP = {"title": "Brass lamp", "startingPrice": 10, "duration": 86_400}


async def test_an_ordinary_player_plays_the_film_from_its_address_alone(cinema: Cinema) -> None:
    address = await cinema.address(cinema.mina)

    seen = await film.probed(address)
    frames = await film.decoded(address)
    [lowest, *_] = await film.qualities(cinema.http, address)

    assert float(seen["format"]["duration"]) == pytest.approx(FRAMES / RATE, abs=0.05)
    assert frames == FRAMES
    assert (lowest.width, lowest.height) == (WIDTH, HEIGHT)
    assert {stream["codec_name"] for stream in seen["streams"]} == {"h264", "aac"}


async def test_pieces_are_served_in_parts_and_to_nobody_without_their_signature(
    cinema: Cinema, stack: Settings
) -> None:
    init, first, *_ = await cinema.pieces(await cinema.address(cinema.mina))

    whole = await cinema.http.get(first)
    part = await cinema.http.get(first, headers={"Range": "bytes=4-7"})
    bare = [await cinema.http.get(unsigned(address)) for address in (init, first)]
    past_the_cdn = await cinema.http.get(
        f"{str(stack.s3_endpoint).rstrip('/')}/{stack.s3_bucket_media}{urlsplit(first).path}"
    )

    assert whole.headers["content-type"] == "video/mp4"
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    assert [answer.status_code for answer in bare] == [403, 403]
    assert past_the_cdn.status_code == 403


async def test_the_right_to_watch_goes_with_the_auction_and_the_replay_knows_when_bids_were(
    cinema: Cinema, people: NewPeople
) -> None:
    anna, ben = await people("anna", "ben")

    before = [(await cinema.stream(who)).status_code for who in (None, ben, cinema.mina)]
    lamp = (await filming.offer_film(cinema.mina, LAMP, cinema.video_id))["id"]
    during = [(await cinema.stream(who)).status_code for who in (None, ben)]
    await ben.bid(lamp, amount=20, streamTimeMs=4_250)
    await anna.bid(lamp, amount=30)
    early = await anna.http.get(f"/auctions/{lamp}/timeline")
    await cinema.mina.post(f"/auctions/{lamp}/end", {"mode": "sell_to_high_bidder"})
    after = [(await cinema.stream(who)).status_code for who in (None, ben, anna, cinema.mina)]
    track = (await anna.http.get(f"/auctions/{lamp}/timeline")).text

    assert before == [401, 403, 200]
    assert during == [200, 200]
    assert after == [401, 403, 200, 200]
    assert early.json()["code"] == "auction_not_ended"
    cues = re.findall(r"^(\S+) --> \S+\n(\{.*\})$", track, re.MULTILINE)
    bids = {json.loads(told).get("amount"): start for start, told in cues}
    assert bids[20.0] == "00:00:04.250"
    assert bids[30.0] < "00:00:04.250"
    assert [json.loads(told)["event"] for _, told in cues].count("auction_ended") == 1


async def test_a_film_that_is_withdrawn_stops_playing_within_a_minute(
    cinema: Cinema, stack: Settings, tmp_path: Path
) -> None:
    mina = cinema.mina
    own = cinema._replace(
        video_id=await filming.send_film(mina, make(tmp_path / "short.mp4", frames=50, width=320, height=180))
    )
    await filming.until_ready(mina, "videos", own.video_id)
    address = await own.address(mina)
    pieces = await own.pieces(address)
    assert [(await own.http.get(one)).status_code for one in (address, *pieces)] == [200] * (1 + len(pieces))

    await mina.request("DELETE", f"/videos/{own.video_id}")
    began = time.monotonic()
    while 200 in [(await own.http.get(one)).status_code for one in (address, *pieces)]:
        assert time.monotonic() - began < STOPPED_WITHIN_S, "it still plays"
        await asyncio.sleep(0.1)

    assert (await own.stream(mina)).json()["code"] in ("video_withdrawn", "video_not_found")
    batches = (await own.http.get(f"{str(stack.cdn_api_url).rstrip('/')}/sandbox/invalidations")).json()["items"]
    assert [path for batch in batches for path in batch["paths"] if own.video_id in path]


async def test_a_viewers_own_rendition_bears_his_mark_and_plays_like_the_other(
    cinema: Cinema, owner: asyncpg.Connection
) -> None:
    plain, marked = [await cinema.address(cinema.mina, watermark=which) for which in ("none", "viewer")]
    pieces = await cinema.pieces(marked)

    assert await film.decoded(marked) == FRAMES
    seen = await film.probed(marked)
    assert float(seen["format"]["duration"]) == pytest.approx(FRAMES / RATE, abs=0.05)
    for second in (0.5, 4.5):  # One in each of the film's segments.
        assert difference(picture(plain, second), picture(marked, second)) > 0.002
    [mark] = {urlsplit(one).path.split("/")[3] for one in pieces}
    kept = await owner.fetchval(
        "SELECT expires_at > now() FROM transcoding.marked WHERE video_id = $1 AND viewer = $2", cinema.video_id, mark
    )
    assert kept is True
    assert cinema.mina.user_id not in "".join(pieces)


def picture(address: str, second: float) -> bytes:
    """One frame as grey values."""
    shown = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", address, "-ss", str(second), "-map", "0:v:0", "-frames:v", "1",
         "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert len(shown.stdout) == WIDTH * HEIGHT
    return shown.stdout


def difference(one: bytes, other: bytes) -> float:
    """Which part of a picture is plainly another."""
    return sum(abs(a - b) > 40 for a, b in zip(one, other, strict=True)) / len(one)


async def test_nobody_gets_a_rendition_past_the_cdn(cinema: Cinema, stack: Settings) -> None:
    pieces = await cinema.pieces(await cinema.address(cinema.mina, watermark="viewer"))
    port = (stack.cdn_url.port or 0) - 7_084 + 7_700

    answer = await cinema.http.get(f"http://127.0.0.1:{port}{urlsplit(pieces[0]).path}")

    assert answer.status_code == 403


async def test_a_playlist_is_not_had_from_the_edge_itself(cinema: Cinema) -> None:
    address = urlsplit(await cinema.address(cinema.mina))

    answer: httpx.Response = await cinema.mina.http.get(f"{address.path}?{address.query}")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
