"""Who gets a film's addresses, and what stands in the playlists behind them."""

import base64
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from consumers.transcoding.package import Manifest, Part, Track
from edge_api.film_views import Film, Showing
from edge_api.viewing import begins_at
from tests.edge_api.doorway import ANNA, AUCTION, CDN, CDN_SECRET, MINA, Doorway

pytestmark = pytest.mark.quick

VIDEO = UUID("01923f72-4b5c-7d6e-8f70-818283848586")
BEN = uuid4()
UPLOADED = datetime(2026, 3, 1, 12, tzinfo=UTC)
STARTED = datetime(2026, 3, 1, 18, tzinfo=UTC)


def track(name: str, width: int = 0, height: int = 0, bandwidth: int = 128_000) -> Track:
    return Track(
        name=name,
        codecs="avc1.64001f" if width else "mp4a.40.2",
        bandwidth=bandwidth,
        average_bandwidth=bandwidth,
        init=f"{name}-init.mp4",
        parts=tuple(Part(name=f"{name}-{n}.m4s", size_bytes=9, duration_s=4.0) for n in range(3)),
        width=width,
        height=height,
        frame_rate="30.000" if width else "",
        channels=0 if width else 2,
    )


MADE = Manifest(
    duration_s=12.0,
    target_duration_s=4,
    rungs=(track("360p", 640, 360, 800_000), track("720p", 1280, 720, 3_000_000)),
    sound=track("sound"),
)


def film(status: str = "ready", manifest: Manifest | None = MADE, reason: str | None = None) -> dict[str, Any]:
    return {
        "video_id": VIDEO,
        "owner_id": MINA,
        "status": status,
        "reason": reason,
        "requested_at": UPLOADED,
        "manifest": None if manifest is None else msgspec.json.encode(manifest).decode(),
        "stills": None,
    }


def showing(status: str = "live", seller: UUID = MINA, winner: UUID | None = None) -> dict[str, Any]:
    return {"id": AUCTION, "seller_id": seller, "status": status, "winner_id": winner, "starts_at": STARTED}


@pytest.fixture
def shown(doorway: Doorway) -> Doorway:
    """The film is ready and its owner's auction is live."""
    doorway.edge.views = {"asset_view": [film()], "auction_view": [showing()]}
    return doorway


async def stream(doorway: Doorway, who: UUID | None = None, *roles: str, **asked: Any) -> httpx.Response:
    async with doorway.client(user=who, roles=roles or ("buyer",)) as client:
        return await client.get(f"/videos/{VIDEO}/stream", params=asked)


async def played(doorway: Doorway, address: str, secret: str = CDN_SECRET) -> httpx.Response:
    """What the edge answers when the CDN asks for a playlist's address."""
    parts = urlsplit(address)
    async with doorway.client() as client:
        return await client.get(f"{parts.path}?{parts.query}", headers={"X-Origin-Secret": secret})


def addresses(playlist: str) -> list[str]:
    return re.findall(r'^https?://.*$|(?<=URI=")[^"]+', playlist, re.MULTILINE)


def policy(address: str) -> dict[str, Any]:
    """What a custom policy covers and until when."""
    [text] = parse_qs(urlsplit(address).query)["Policy"]
    read = base64.b64decode(text.replace("-", "+").replace("_", "=").replace("~", "/"))
    found: dict[str, Any] = json.loads(read)["Statement"][0]
    return found


LIVE, ENDED, SOLD = [showing()], [showing("ended")], [showing("ended", winner=ANNA)]


@pytest.mark.parametrize(
    ("who", "roles", "auctions", "status"),
    [
        (None, (), LIVE, 200),
        (BEN, (), LIVE, 200),
        (None, (), [], 401),
        (None, (), ENDED, 401),
        (None, (), [showing("scheduled")], 401),
        (None, (), [showing("draft")], 401),
        (BEN, (), [], 403),
        (BEN, (), SOLD, 403),
        (BEN, ("buyer", "seller"), [showing("cancelled")], 403),
        (ANNA, (), SOLD, 200),
        (MINA, (), [], 200),
        (MINA, (), SOLD, 200),
        (BEN, ("buyer", "admin"), [], 200),
        # An auction that somebody else opened on it makes nothing public and nobody its winner.
        (None, (), [showing(seller=BEN)], 401),
        (ANNA, (), [showing("ended", seller=BEN, winner=ANNA)], 403),
        (None, (), [showing("ended"), showing()], 200),
    ],
)
async def test_a_film_is_public_while_its_auction_is_live_and_else_its_owners_and_winners(
    shown: Doorway, who: UUID | None, roles: tuple[str, ...], auctions: list[dict[str, Any]], status: int
) -> None:
    shown.edge.views["auction_view"] = auctions

    answer = await stream(shown, who, *roles)

    assert answer.status_code == status
    if status != 200:
        assert answer.json()["code"] == {401: "login_required", 403: "not_allowed"}[status]
        assert "Signature" not in answer.text


@pytest.mark.parametrize(
    ("made", "status", "code"),
    [
        ([], 404, "video_not_found"),
        ([film("uploading", None)], 409, "video_not_ready"),
        ([film("processing", None)], 409, "video_not_ready"),
        ([film("failed", None, "The file is no film.")], 409, "video_not_ready"),
        ([film("withdrawn", None)], 410, "video_withdrawn"),
        ([film("withdrawn")], 410, "video_withdrawn"),
    ],
)
async def test_what_cannot_be_played_says_why(shown: Doorway, made: list[Any], status: int, code: str) -> None:
    shown.edge.views["asset_view"] = made

    answer = await stream(shown)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if made and made[0]["reason"]:
        assert answer.json()["detail"] == made[0]["reason"]


async def test_its_owner_sees_a_film_as_soon_as_one_rung_is_there(shown: Doorway) -> None:
    partial = Manifest(duration_s=12.0, target_duration_s=4, rungs=MADE.rungs[:1], sound=MADE.sound)
    shown.edge.views["asset_view"] = [film("processing", partial)]

    answer = await stream(shown, MINA)

    assert answer.json()["qualities"] == ["360p"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"quality": "4k"}, "quality"),
        ({"quality": "../secret"}, "quality"),
        ({"expires": "9"}, "expires"),
        ({"expires": "99999999"}, "expires"),
        ({"expires": "soon"}, "expires"),
        ({"watermark": "mine"}, "watermark"),
    ],
)
async def test_what_is_asked_wrongly_is_named(shown: Doorway, asked: dict[str, Any], field: str) -> None:
    answer = await stream(shown, **asked)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_rung_that_the_film_has_not_is_named_with_those_it_has(shown: Doorway) -> None:
    answer = await stream(shown, quality="1080p")

    assert (answer.status_code, answer.json()["code"]) == (404, "quality_not_available")
    assert answer.json()["qualities"] == ["360p", "720p"]


async def test_the_address_is_good_for_as_long_as_was_asked_for(shown: Doorway) -> None:
    said = (await stream(shown, expires=90)).json()

    until = int(parse_qs(urlsplit(said["url"]).query)["Expires"][0])
    assert said["url"].startswith(f"{CDN}/play/{VIDEO}/auto/master.m3u8?")
    assert until == pytest.approx(time.time() + 90, abs=3)
    assert said["expiresAt"] == datetime.fromtimestamp(until, UTC).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )


async def test_a_player_finds_every_rung_and_every_segment_signed(shown: Doorway) -> None:
    said = (await stream(shown)).json()

    master = await played(shown, said["url"])
    assert master.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert "no-store" in master.headers["cache-control"]
    assert re.findall(r"RESOLUTION=(\d+x\d+)", master.text) == ["640x360", "1280x720"]
    assert "BANDWIDTH=928000," in master.text
    assert 'CODECS="avc1.64001f,mp4a.40.2"' in master.text
    sound, *rungs = addresses(master.text)
    assert [urlsplit(one).path for one in (sound, *rungs)] == [
        f"/play/{VIDEO}/{name}/media.m3u8" for name in ("sound", "360p", "720p")
    ]

    media = await played(shown, rungs[1])
    pieces = addresses(media.text)
    assert [urlsplit(one).path for one in pieces] == [
        f"/videos/{VIDEO}/720p-{name}" for name in ("init.mp4", "0.m4s", "1.m4s", "2.m4s")
    ]
    assert media.text.rstrip().endswith("#EXT-X-ENDLIST")
    assert len({urlsplit(one).query for one in pieces}) == 1, "one signature serves a playlist"


async def test_a_signature_for_segments_covers_no_playlist_and_no_other_film(shown: Doorway) -> None:
    said = (await stream(shown, expires=60)).json()
    [rung] = addresses((await played(shown, (await stream(shown, quality="720p")).json()["url"])).text)[1:]
    covered = policy(addresses((await played(shown, rung)).text)[0])

    assert covered["Resource"] == f"{CDN}/videos/{VIDEO}/*"
    assert "/play/" in said["url"]


async def test_one_quality_has_one_rung(shown: Doorway) -> None:
    said = (await stream(shown, quality="360p")).json()

    master = await played(shown, said["url"])

    assert re.findall(r"RESOLUTION=(\S+?),", master.text) == ["640x360"]


async def test_the_films_date_is_the_auctions_start(shown: Doorway) -> None:
    master = await played(shown, (await stream(shown)).json()["url"])

    media = await played(shown, addresses(master.text)[1])

    dates = re.findall(r"#EXT-X-PROGRAM-DATE-TIME:(\S+)", media.text)
    assert dates == ["2026-03-01T18:00:00.000Z", "2026-03-01T18:00:04.000Z", "2026-03-01T18:00:08.000Z"]


def test_a_film_that_no_auction_has_shown_yet_has_the_date_of_its_upload() -> None:
    there = Film(VIDEO, MINA, "ready", None, UPLOADED, MADE, None)
    to_come = Showing(AUCTION, MINA, "scheduled", None, STARTED)

    assert begins_at(there, [], STARTED) == UPLOADED
    assert begins_at(there, [to_come], STARTED - timedelta(seconds=1)) == UPLOADED
    assert begins_at(there, [to_come], STARTED) == STARTED


async def test_playlists_are_for_the_cdn_alone(shown: Doorway) -> None:
    said = (await stream(shown)).json()

    guessed = await played(shown, said["url"], "guessed")
    without = await played(shown, said["url"], "")

    assert [answer.status_code for answer in (guessed, without)] == [403, 403]
    assert "#EXTM3U" not in guessed.text + without.text


@pytest.mark.parametrize("name", ["auto/master.m3u8", "720p/media.m3u8", "sound/media.m3u8"])
async def test_a_withdrawn_film_has_no_playlists_whatever_was_signed_before(shown: Doorway, name: str) -> None:
    until = int(time.time()) + 600
    address = f"{CDN}/play/{VIDEO}/{name}?until={until}"
    assert (await played(shown, address)).status_code == 200

    shown.edge.views["asset_view"] = [film("withdrawn", None)]

    assert (await played(shown, address)).json()["code"] == "video_withdrawn"


async def test_an_address_outlives_neither_its_time_nor_its_rung(shown: Doorway) -> None:
    late = await played(shown, f"{CDN}/play/{VIDEO}/auto/master.m3u8?until={int(time.time()) - 1}")
    other = await played(shown, f"{CDN}/play/{VIDEO}/1080p/media.m3u8?until={int(time.time()) + 60}")
    odd = await played(shown, f"{CDN}/play/{VIDEO}/auto/master.m3u8?until=soon")

    assert (late.status_code, late.json()["code"]) == (410, "stream_expired")
    assert (other.status_code, other.json()["code"]) == (404, "quality_not_available")
    assert odd.status_code == 422


async def test_a_marked_film_shows_the_viewers_own_segments_and_signs_no_others(shown: Doorway) -> None:
    said = (await stream(shown, ANNA, watermark="viewer", quality="720p")).json()
    sound, rung = addresses((await played(shown, said["url"])).text)

    pieces = addresses((await played(shown, rung)).text)
    heard = addresses((await played(shown, sound)).text)

    mark = UUID(parse_qs(urlsplit(said["url"]).query)["mark"][0])
    assert [urlsplit(one).path for one in pieces] == [
        f"/marked/{VIDEO}/{mark}/720p/{name}" for name in ("init.mp4", "0.m4s", "1.m4s", "2.m4s")
    ]
    assert policy(pieces[0])["Resource"] == f"{CDN}/marked/{VIDEO}/{mark}/*"
    # Each piece of sound by itself: a policy for the folder would be one for the picture without the mark.
    assert all("Policy=" not in one and "Expires=" in one for one in heard)
    assert str(ANNA) not in said["url"] + "".join(pieces)


async def test_a_playlist_counts_for_the_viewer_that_the_cdn_names_and_nobody_else_names_one() -> None:
    doorway = Doorway(limit_per_address_per_hour=1)
    doorway.edge.views = {"asset_view": [film()], "auction_view": [showing()]}
    path = f"/play/{VIDEO}/auto/master.m3u8?until={int(time.time()) + 60}"

    async def asked(viewer: str, secret: str) -> int:
        async with doorway.client() as client:
            said = {"X-Origin-Secret": secret, "X-Forwarded-For": f"10.0.0.9, {viewer}"}
            return (await client.get(path, headers=said)).status_code

    assert [await asked(f"198.51.100.{n}", CDN_SECRET) for n in (1, 2, 3, 1)] == [200, 200, 200, 429]
    assert [await asked(f"198.51.100.{n}", "guessed") for n in (4, 5)] == [403, 429]


async def test_a_viewers_mark_is_his_own_and_the_same_on_every_film(shown: Doorway) -> None:
    marks = [
        parse_qs(urlsplit((await stream(shown, who, watermark="viewer")).json()["url"]).query)["mark"][0]
        for who in (ANNA, ANNA, BEN)
    ]

    assert marks[0] == marks[1] != marks[2]


async def test_nobody_without_a_login_has_a_mark(shown: Doorway) -> None:
    answer = await stream(shown, watermark="viewer")

    assert (answer.status_code, answer.json()["code"]) == (401, "login_required")


@pytest.mark.parametrize(
    ("others", "status"),
    [
        ({"by_viewer": 2, "by_all": 199}, 200),
        ({"by_viewer": 3, "by_all": 3}, 429),
        ({"by_viewer": 0, "by_all": 200}, 429),
    ],
)
async def test_marked_renditions_are_limited_per_viewer_and_in_all(
    shown: Doorway, others: dict[str, int], status: int
) -> None:
    shown.edge.views["marked_view"] = [others]

    answer = await stream(shown, ANNA, watermark="viewer")

    assert answer.status_code == status
    if status == 429:
        assert answer.json()["code"] == "too_many_marked"
        assert answer.headers["retry-after"]
