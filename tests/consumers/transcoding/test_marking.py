"""What the CDN hears from the marker: a piece, or why there is none."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from consumers.transcoding.gateway import Away, Missing
from consumers.transcoding.marker import Busy, TooMany
from consumers.transcoding.marking import application
from consumers.transcoding.sandbox import Failed

pytestmark = pytest.mark.quick

SECRET = b"the-cdn-asks"
FILM, VIEWER = UUID("af9a2b31-cfa7-4aea-abc4-2815a236f093"), UUID("eef2fdd9-186c-4a60-98c3-ab7dedb6fc7e")
PIECE = f"/marked/{FILM}/{VIEWER}/720p/3.m4s"


class Marker:
    """Gives a piece, or raises what it was told to."""

    def __init__(self, said: bytes | Exception) -> None:
        self.said = said
        self.asked: list[tuple[UUID, UUID, str, str]] = []

    async def piece(self, *about: Any) -> bytes:
        self.asked.append(about)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


async def ask(marker: Any, path: str = PIECE, secret: bytes = SECRET) -> httpx.Response:
    transport = httpx.ASGITransport(application(marker, SECRET.decode()))
    async with httpx.AsyncClient(transport=transport, base_url="http://marker") as client:
        return await client.get(path, headers=[(b"x-origin-secret", secret)])


async def test_the_cdn_gets_the_piece_that_it_asks_for() -> None:
    marker = Marker(b"moof")

    answer = await ask(marker)

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"moof", "video/mp4")
    assert marker.asked == [(FILM, VIEWER, "720p", "3.m4s")]


@pytest.mark.parametrize("secret", [b"", b"guessed", b"\xc3\xbc"])
async def test_nobody_else_does(secret: bytes) -> None:
    marker = Marker(b"moof")

    answer = await ask(marker, secret=secret)

    assert (answer.status_code, marker.asked) == (403, [])


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (Missing("x"), 404),
        (TooMany(), 429),
        (Busy(), 503),
        (Away("x"), 503),
        (Failed("x"), 503),
        (TimeoutError(), 503),
        (asyncpg.CannotConnectNowError(), 503),
        (ConnectionRefusedError(), 503),
    ],
)
async def test_why_there_is_none_is_told_with_when_to_come_again(raised: Exception, status: int) -> None:
    answer = await ask(Marker(raised))

    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status != 404)


@pytest.mark.parametrize("path", ["/marked/x/y/720p/0.m4s", f"/marked/{FILM}/{VIEWER}/720p", "/marked/", "/etc/passwd"])
async def test_an_address_of_another_form_is_nothing(path: str) -> None:
    marker = Marker(b"moof")

    assert ((await ask(marker, path)).status_code, marker.asked) == (404, [])
