"""Uploads over HTTP, with the real S3: a signed address lets through what was announced and nothing else."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from compose.settings import Settings
from edge_api.storage import Storage
from edge_api.upload_shapes import Invitation, UploadStanding, Video, Videos
from producers.filming import NoFilm, send, until_ready
from producers.person import Person, Refused
from tests.conftest import NewPeople

pytestmark = pytest.mark.stack

MB = 1 << 20
FILM = {"filename": "lamp.mp4", "contentType": "video/mp4", "size": 1000}


@pytest.fixture
async def mina(people: NewPeople) -> Person:
    [seller] = await people("mina", sellers=1)
    return seller


async def refusal(person: Person, method: str, path: str, body: object = None) -> Refused:
    with pytest.raises(Refused) as raised:
        await person.request(method, path, body)
    return raised.value


async def test_an_invitation_is_what_the_contract_says(mina: Person) -> None:
    invited = await mina.post("/videos/upload", FILM)

    Invitation.model_validate(invited, strict=False)
    assert invited.keys() == {"videoId", "url", "fields", "expiresAt", "openUntil"}
    assert invited["fields"]["key"] == f"incoming/{invited['videoId']}"


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"size": 2**31 + 1}, 413, "too_large", None),
        ({"size": 0}, 422, "invalid_request", "size"),
        ({"size": "1000"}, 422, "invalid_request", "size"),
        ({"contentType": "text/html"}, 422, "invalid_request", "contentType"),
        ({"contentType": "image/png"}, 422, "invalid_request", "contentType"),
        ({"filename": "a\u202eb.mp4"}, 422, "invalid_request", "filename"),
        ({"filename": "x" * 256}, 422, "invalid_request", "filename"),
        ({"checksum": "ABC"}, 422, "invalid_request", "checksum"),
        ({"ownerId": str(uuid4())}, 422, "invalid_request", "ownerId"),
    ],
)
async def test_what_is_not_a_film_of_ours_is_refused_by_name(
    mina: Person, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    found = await refusal(mina, "POST", "/videos/upload", {**FILM, **changes})

    assert (found.status, found.code) == (status, code)
    assert field is None or [error["field"] for error in found.problem["errors"]] == [field]
    assert code != "too_large" or found.problem["maximum"] == 2**31


async def test_who_may_not_sell_may_not_upload_a_film(people: NewPeople, http: httpx.AsyncClient) -> None:
    [ben] = await people("ben")

    assert (await refusal(ben, "POST", "/videos/upload", FILM)).code == "not_allowed"
    assert (await http.post("/videos/upload", json=FILM)).status_code == 401


async def test_too_many_open_uploads_are_refused(mina: Person, stack: Settings) -> None:
    for _ in range(stack.video_uploads_open_max):
        await mina.post("/videos/upload", FILM)

    found = await refusal(mina, "POST", "/videos/upload", FILM)

    assert (found.status, found.code) == (429, "too_many_uploads")


async def test_the_same_key_is_the_same_upload_and_another_body_a_conflict(mina: Person) -> None:
    key = str(uuid4())

    first = await mina.post("/videos/upload", FILM, key=key)
    again = await mina.post("/videos/upload", FILM, key=key)
    with pytest.raises(Refused) as other:
        await mina.post("/videos/upload", {**FILM, "size": 1001}, key=key)

    assert first["videoId"] == again["videoId"]
    assert other.value.code == "idempotency_conflict"


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({}, b"x" * 1001),
        ({}, b"x" * 999),
        ({"key": "incoming/somebody-elses"}, b"x" * 1000),
        ({"Content-Type": "text/html"}, b"x" * 1000),
        ({"x-amz-signature": "0" * 64}, b"x" * 1000),
        ({"policy": "e30="}, b"x" * 1000),
    ],
    ids=["longer", "shorter", "other key", "other type", "forged signature", "other policy"],
)
async def test_a_signed_form_takes_what_was_announced_and_nothing_else(
    mina: Person, http: httpx.AsyncClient, changes: dict[str, str], content: bytes
) -> None:
    invited = await mina.post("/videos/upload", FILM)

    said = await http.post(invited["url"], data={**invited["fields"], **changes}, files={"file": ("f", content)})

    assert said.status_code in (400, 403), said.text
    standing = await mina.get(f"/videos/{invited['videoId']}/upload")
    assert standing["received"] == 0


async def test_a_signed_form_does_not_last(stack: Settings, http: httpx.AsyncClient) -> None:
    storage = Storage(stack.model_copy(update={"upload_signed_s": 1}))
    form = storage.form(f"incoming/{uuid4()}", content_type="video/mp4", size=10)

    async with asyncio.timeout(10):
        while True:
            said = await http.post(form["url"], data=form["fields"], files={"file": ("f", b"x" * 10)})
            if said.status_code == 403:
                break
            await asyncio.sleep(0.3)
    await storage.close()


async def test_a_film_is_not_complete_before_it_is_there(mina: Person) -> None:
    video = (await mina.post("/videos/upload", FILM))["videoId"]

    found = await refusal(mina, "POST", f"/videos/{video}/complete")

    assert (found.status, found.code) == (409, "upload_incomplete")
    assert (found.problem["received"], found.problem["size"]) == (0, 1000)
    assert (await mina.get(f"/videos/{video}"))["status"] == "uploading"


async def test_to_a_stranger_a_film_is_not_there(mina: Person, people: NewPeople) -> None:
    [ben] = await people("ben", sellers=1)
    video = (await mina.post("/videos/upload", FILM))["videoId"]

    for method, path in (("GET", ""), ("GET", "/upload"), ("POST", "/complete"), ("DELETE", "")):
        found = await refusal(ben, method, f"/videos/{video}{path}")
        assert (found.status, found.code) == (404, "video_not_found"), path
    for path in (f"/videos/{uuid4()}", f"/pictures/{video}"):
        assert (await refusal(mina, "GET", path)).status == 404
    assert (await ben.get("/videos"))["items"] == []


async def test_a_large_film_comes_in_parts_can_be_gone_on_with_and_is_joined(mina: Person) -> None:
    content = b"\0" * (66 * MB)
    about = {**FILM, "size": len(content)}
    invited = await mina.post("/videos/upload", about)
    sizes = [part["size"] for part in invited["parts"]]
    await send(
        mina.http,
        {"parts": [*invited["parts"][:2], *({**one, "received": True} for one in invited["parts"][2:])]},
        content,
    )
    video = invited["videoId"]

    too_early = await refusal(mina, "POST", f"/videos/{video}/complete")
    standing = await mina.get(f"/videos/{video}/upload")
    await send(mina.http, standing, content)
    await mina.post(f"/videos/{video}/complete")

    assert (sizes, sum(sizes)) == ([16 * MB] * 4 + [2 * MB], len(content))
    assert too_early.problem["received"] == 32 * MB
    UploadStanding.model_validate(standing, strict=False)
    assert [part["received"] for part in standing["parts"]] == [True, True, False, False, False]
    assert ["url" in part for part in standing["parts"]] == [False, False, True, True, True]
    # All of it arrived: it was looked at, and zeros are no film.
    with pytest.raises(NoFilm) as failure:
        await until_ready(mina, "videos", video)
    assert failure.value.code in ("not_a_film", "empty")
    closed = await refusal(mina, "GET", f"/videos/{video}/upload")
    assert (closed.code, closed.problem["uploadStatus"]) == ("upload_closed", "failed")


async def test_a_seller_sees_own_films_page_by_page(mina: Person) -> None:
    made = [(await mina.post("/videos/upload", FILM))["videoId"] for _ in range(3)]
    await mina.request("DELETE", f"/videos/{made[1]}")

    first = await mina.get("/videos?limit=1")
    second = await mina.get(f"/videos?limit=1&cursor={first['nextCursor']}")

    Videos.model_validate(first, strict=False)
    assert [page["items"][0]["id"] for page in (first, second)] == [made[2], made[0]]
    assert second["nextCursor"] is None
    shown = await mina.get(f"/videos/{made[1]}")
    Video.model_validate(shown, strict=False)
    assert shown["status"] == "withdrawn"


async def test_a_browser_may_send_to_s3_itself(mina: Person, http: httpx.AsyncClient) -> None:
    invited = await mina.post("/videos/upload", FILM)

    said = await http.options(
        invited["url"], headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    )

    assert said.status_code == 200
    assert said.headers["access-control-allow-origin"] in ("*", "https://shop.example")
