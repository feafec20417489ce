"""The whole way on the running stack: a phone sends a film, S3 holds exactly what is shown, events tell it once."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import websockets

from compose.settings import Settings
from consumers.transcoding.errands import Payload, job
from consumers.transcoding.gateway import Objects, client_of
from producers import filming
from producers.filming import NoFilm, offer_film, send, send_film, send_picture
from producers.person import Person, Refused
from schemas.envelope import Actor
from tests.conftest import NewPeople
from tests.consumers.bids.talk import Talk, lamp, until
from tests.consumers.transcoding import films

pytestmark = pytest.mark.stack

RUNNER = Actor("platform", ("system",))
EVENTS = "SELECT unnest(events) AS event FROM transcoding.log WHERE aggregate = $1 ORDER BY first_seq"


@pytest.fixture
async def mina(people: NewPeople) -> Person:
    [seller] = await people("mina", sellers=1)
    return seller


async def until_ready(person: Person, kind: str, upload_id: str) -> dict[str, Any]:
    async with asyncio.timeout(45):
        return await filming.until_ready(person, kind, upload_id)


async def told(owner: asyncpg.Connection, upload_id: str) -> list[dict[str, Any]]:
    return [json.loads(row["event"]) for row in await owner.fetch(EVENTS, UUID(upload_id))]


async def status(owner: asyncpg.Connection, upload_id: str) -> str:
    return str(await owner.fetchval("SELECT status FROM transcoding.upload WHERE id = $1", UUID(upload_id)))


async def invite(person: Person, film: Path, **more: Any) -> dict[str, Any]:
    size = await asyncio.to_thread(lambda: film.stat().st_size)
    return await person.post(
        "/videos/upload", {"filename": film.name, "contentType": "video/mp4", "size": size, **more}
    )


def shown(asset: asyncpg.Record) -> set[str]:
    """Names of all objects that a published film needs."""
    manifest, stills = json.loads(asset["manifest"]), json.loads(asset["stills"])
    tracks = [*manifest["rungs"], manifest["sound"]]
    names = {name for track in tracks for name in (track["init"], *(part["name"] for part in track["parts"]))}
    return names | {picture["name"] for picture in stills["pictures"]}


async def test_a_film_becomes_ready_once_and_s3_holds_exactly_what_is_shown(
    mina: Person, owner: asyncpg.Connection, objects: Objects
) -> None:
    film = films.film(size="640x480", seconds=5)

    video_id = await send_film(mina, film)
    ready = await until_ready(mina, "videos", video_id)

    assert [one["name"] for one in ready["renditions"]] == ["360p", "480p"]
    assert (ready["progress"], ready["width"], ready["height"], ready["failure"]) == (1.0, 640, 480, None)
    assert ready["duration"] == pytest.approx(5, abs=0.1)
    events = await told(owner, video_id)
    kinds = [event["eventType"] for event in events]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert kinds[:2] == ["VideoUploadRequested", "VideoUploaded"]
    assert kinds.index("VideoPlayable") < kinds.index("VideoReady") == len(kinds) - 1
    assert {event["data"]["ownerId"] for event in events} == {mina.user_id}

    async def tidied() -> bool:
        return await objects.head(objects.uploads, f"incoming/{video_id}") is None

    await until(tidied)
    asset = await owner.fetchrow("SELECT * FROM transcoding.asset WHERE video_id = $1", UUID(video_id))
    stored = await objects.keys(objects.media, f"videos/{video_id}/")
    assert asset is not None
    assert asset["complete"]
    assert {key.rpartition("/")[2] for key in stored} == shown(asset)


async def test_the_owners_socket_hears_how_it_goes_on(mina: Person) -> None:
    ticket = await mina.post("/live/ticket")
    async with websockets.connect(f"{ticket['url']}?ticket={ticket['ticket']}") as socket, asyncio.timeout(45):
        video_id = await send_film(mina, films.film())
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["status"] != "ready":
            frame = json.loads(await socket.recv())
            if frame["event"] == "video_progress" and frame["data"]["videoId"] == video_id:
                heard.append(frame["data"])

    assert heard[0]["status"] == "processing"
    assert [frame["seq"] for frame in heard] == sorted({frame["seq"] for frame in heard})
    assert any("progress" in frame and 0 < frame["progress"] < 1 for frame in heard)
    assert [one["name"] for one in heard[-1]["renditions"]] != []


async def test_an_auction_can_show_it_a_moment_later(mina: Person, people: NewPeople) -> None:
    [ben] = await people("ben", sellers=1)
    video_id = await send_film(mina, films.film())
    await until_ready(mina, "videos", video_id)

    auction = await offer_film(mina, lamp(), video_id)

    assert auction["videoId"] == video_id
    with pytest.raises(Refused) as refusal:
        await ben.post("/auctions", lamp(videoId=video_id))
    assert refusal.value.code == "not_video_owner"


async def test_a_bad_film_fails_with_a_reason_for_people_and_is_put_aside(
    mina: Person, owner: asyncpg.Connection, objects: Objects, tmp_path: Path
) -> None:
    bad = tmp_path / "cut.mp4"
    bad.write_bytes(films.film(seconds=3).read_bytes()[:9_000])

    video_id = await send_film(mina, bad)
    with pytest.raises(NoFilm) as failure:
        await until_ready(mina, "videos", video_id)

    assert failure.value.code == "truncated"
    assert "ends too early" in str(failure.value)
    assert [event["eventType"] for event in await told(owner, video_id)][-1] == "VideoFailed"

    async def put_aside() -> bool:
        head = await objects.head(objects.uploads, f"quarantine/{video_id}")
        return head is not None and await objects.head(objects.uploads, f"incoming/{video_id}") is None

    await until(put_aside)
    assert await objects.keys(objects.media, f"videos/{video_id}/") == {}


async def test_a_film_that_changed_on_its_way_fails(mina: Person) -> None:
    film = films.film()
    invited = await invite(mina, film, checksum="0" * 64)
    await send(mina.http, invited, film.read_bytes())
    await mina.post(f"/videos/{invited['videoId']}/complete")

    with pytest.raises(NoFilm) as failure:
        await until_ready(mina, "videos", invited["videoId"])

    assert failure.value.code == "checksum_mismatch"


async def test_a_completion_that_comes_five_times_is_one(mina: Person, owner: asyncpg.Connection) -> None:
    film = films.film()
    invited = await invite(mina, film)
    await send(mina.http, invited, film.read_bytes())

    answers = await asyncio.gather(*(mina.post(f"/videos/{invited['videoId']}/complete") for _ in range(5)))
    await until_ready(mina, "videos", invited["videoId"])

    assert sorted(answer["code"] for answer in answers) == ["already_uploaded"] * 4 + ["processing"]
    kinds = [event["eventType"] for event in await told(owner, invited["videoId"])]
    assert (kinds.count("VideoUploaded"), kinds.count("VideoReady")) == (1, 1)


async def test_a_finished_upload_that_nobody_reports_is_found(mina: Person) -> None:
    film = films.film()
    invited = await invite(mina, film)

    await send(mina.http, invited, film.read_bytes())

    assert (await until_ready(mina, "videos", invited["videoId"]))["status"] == "ready"


async def test_an_upload_that_was_abandoned_is_ended(mina: Person, owner: asyncpg.Connection) -> None:
    invited = await invite(mina, films.film())
    upload_id = UUID(invited["videoId"])
    await owner.execute("UPDATE transcoding.upload SET expires_at = now() - interval '1 s' WHERE id = $1", upload_id)

    with pytest.raises(NoFilm) as failure:
        await until_ready(mina, "videos", invited["videoId"])

    assert failure.value.code == "upload_expired"


async def test_a_film_that_is_said_to_be_there_and_is_not_fails_cleanly(mina: Person, talk: Talk) -> None:
    invited = await invite(mina, films.film())
    video_id = invited["videoId"]

    await talk.send("CompleteUpload", UUID(video_id), {"videoId": video_id}, by=RUNNER)
    with pytest.raises(NoFilm) as failure:
        await until_ready(mina, "videos", video_id)

    assert failure.value.code == "upload_missing"


async def test_a_withdrawn_film_leaves_nothing_behind_whatever_was_under_way(
    mina: Person, owner: asyncpg.Connection, objects: Objects
) -> None:
    video_id = await send_film(mina, films.film(size="640x480", seconds=5))

    await mina.request("DELETE", f"/videos/{video_id}")

    async def gone() -> bool:
        left = await owner.fetchval(
            "SELECT count(*) FROM transcoding.jobs WHERE done_at IS NULL AND failed_at IS NULL AND run_after < now() + interval '1 min'"
            " AND convert_from(payload, 'UTF8')::json ->> 'id' = $1",
            video_id,
        )
        return bool(left == 0)

    await until(gone, within_s=30)
    # What a runner stored after the first round goes with the second, which is due in twenty minutes.
    again = job(Payload("withdraw", UUID(video_id), "again"))
    await owner.execute("UPDATE transcoding.jobs SET run_after = now() WHERE id = $1", again.id)
    await until(gone, within_s=30)
    assert await objects.keys(objects.media, f"videos/{video_id}/") == {}
    assert await objects.head(objects.uploads, f"incoming/{video_id}") is None
    kinds = [event["eventType"] for event in await told(owner, video_id)]
    assert kinds[-1] == "VideoWithdrawn"
    assert (await mina.get(f"/videos/{video_id}"))["filename"] == ""


async def test_only_an_admin_withdraws_somebody_elses_film_and_says_why(
    mina: Person, people: NewPeople, owner: asyncpg.Connection, talk: Talk
) -> None:
    video_id = await send_film(mina, films.film())
    [ben] = await people("ben")
    with pytest.raises(Refused) as refusal:
        await ben.post(f"/videos/{video_id}/withdraw", {"reason": "I do not like it."})
    assert refusal.value.code == "not_allowed"
    with pytest.raises(Refused) as refusal:
        await ben.request("DELETE", f"/videos/{video_id}")
    assert refusal.value.code == "video_not_found"

    await talk.say("GrantRole", UUID(ben.user_id), {"userId": ben.user_id, "role": "admin"}, by=RUNNER)
    await ben.log_in()
    await ben.post(f"/videos/{video_id}/withdraw", {"reason": "Shows a person who did not agree."})

    assert (await told(owner, video_id))[-1]["data"] | {"videoId": "", "ownerId": ""} == {
        "videoId": "",
        "ownerId": "",
        "by": "admin",
        "reason": "Shows a person who did not agree.",
    }


async def test_an_avatar_appears_in_the_profile_is_replaced_and_leaves(
    mina: Person, owner: asyncpg.Connection, objects: Objects, tmp_path: Path
) -> None:
    async def avatar() -> str | None:
        url: str | None = (await mina.get("/users/me"))["avatarUrl"]
        return url

    urls = []
    for number, colour in enumerate(("red", "blue")):
        picture = tmp_path / f"{number}.png"
        films.ffmpeg("-f", "lavfi", "-i", f"color={colour}:s=600x400:d=1", "-frames:v", "1", picture)
        picture_id = await send_picture(mina, picture, "/users/me/avatar")
        ready = await until_ready(mina, "pictures", picture_id)
        assert [(size["width"], size["height"]) for size in ready["sizes"]][:2] == [(96, 96), (256, 256)]

        async def new(picture_id: str = picture_id) -> str | None:
            url = await avatar()
            return url if url is not None and picture_id in url else None

        urls.append(await until(new))
    answer = await mina.http.get(urls[1])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")

    async def first_is_gone() -> bool:
        return await objects.keys(objects.media, f"pictures/{urls[0].split('/')[-2]}/") == {}

    await until(first_is_gone)
    await mina.request("DELETE", "/users/me/avatar")

    async def none() -> bool:
        return await avatar() is None

    await until(none)


async def test_pictures_of_an_auction_are_its_sellers_alone_and_everybody_sees_them(
    mina: Person, people: NewPeople, tmp_path: Path
) -> None:
    [ben] = await people("ben", sellers=1)
    auction = (await mina.post("/auctions", lamp()))["id"]
    picture = tmp_path / "front.jpg"
    films.ffmpeg("-f", "lavfi", "-i", "testsrc2=s=900x600:d=1", "-frames:v", "1", picture)

    with pytest.raises(Refused) as refusal:
        await send_picture(ben, picture, f"/auctions/{auction}/pictures")
    picture_id = await send_picture(mina, picture, f"/auctions/{auction}/pictures")
    await until_ready(mina, "pictures", picture_id)
    said = (await mina.http.get(f"/auctions/{auction}/pictures")).json()

    assert refusal.value.code == "not_allowed"
    assert [one["id"] for one in said["items"]] == [picture_id]
    assert [size["width"] for size in said["items"][0]["sizes"]] == [320, 800, 900]
    assert (await mina.http.get(said["items"][0]["sizes"][0]["url"])).status_code == 200


async def test_who_leaves_takes_films_and_pictures_along(mina: Person, owner: asyncpg.Connection) -> None:
    video_id = await send_film(mina, films.film())
    await until_ready(mina, "videos", video_id)

    await mina.request("DELETE", "/users/me", {"password": "correct-horse-battery-7"})

    async def withdrawn() -> bool:
        return await status(owner, video_id) == "withdrawn"

    await until(withdrawn)


async def test_the_sweep_removes_what_no_upload_explains_and_nothing_else(
    mina: Person, owner: asyncpg.Connection, objects: Objects, stack: Settings
) -> None:
    video_id = await send_film(mina, films.film())
    await until_ready(mina, "videos", video_id)
    stranger, marked = f"videos/{uuid4()}/0f.m4s", f"marked/{uuid4()}/0f.m4s"
    for key in (stranger, marked):
        await objects.put_bytes(objects.media, key, b"moof", content_type="video/mp4")
    before = await objects.keys(objects.media, f"videos/{video_id}/")
    fresh = client_of(stack).create_multipart_upload(Bucket=objects.uploads, Key=f"incoming/{uuid4()}")["UploadId"]

    sweep = job(Payload("sweep", uuid4()))
    await owner.execute("INSERT INTO transcoding.jobs (id, kind, payload) VALUES ($1, $2, $3)", *sweep[:3])

    async def swept() -> bool:
        return await owner.fetchval("SELECT done_at IS NOT NULL FROM transcoding.jobs WHERE id = $1", sweep.id) is True

    await until(swept)
    assert await objects.keys(objects.media, stranger) == {}
    assert await objects.keys(objects.media, marked) == {marked: 4}
    assert await objects.keys(objects.media, f"videos/{video_id}/") == before
    assert fresh in {one.upload_id for one in await objects.open_parts()}, "it is younger than a day"
    await objects.delete(objects.media, [marked])
