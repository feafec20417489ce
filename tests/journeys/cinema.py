"""A film that was really sent, encoded and published, and how tests watch it: over the CDN alone, as a player does."""

import re
import secrets
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from compose.settings import Settings
from producers import filming
from producers.person import Person

FRAMES, RATE = 150, 25
WIDTH, HEIGHT = 640, 360


class Cinema(NamedTuple):
    """The film of a seller; `http` is a client without a login whose addresses are whole."""

    mina: Person
    video_id: str
    http: httpx.AsyncClient

    async def stream(self, who: Person | None = None, **asked: Any) -> httpx.Response:
        """What the edge says about the film's addresses to somebody, or to nobody."""
        api = (who or self.mina).http
        return await api.get(f"/videos/{self.video_id}/stream", params=asked, headers=who.headers if who else {})

    async def address(self, who: Person | None = None, **asked: Any) -> str:
        """The film's address."""
        answer = await self.stream(who, **asked)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    async def pieces(self, address: str, rung: int = 0) -> list[str]:
        """Addresses of the pieces of one rung, the init segment first."""
        master = (await self.http.get(address)).text
        media = (await self.http.get(re.findall(r"^http.*$", master, re.MULTILINE)[rung])).text
        return re.findall(r'(?<=#EXT-X-MAP:URI=")[^"]+|^http.*$', media, re.MULTILINE)


def make(path: Path, *, frames: int = FRAMES, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """A small moving picture with a tone."""
    seconds = frames / RATE
    subprocess.run(
        ["ffmpeg", "-nostdin", "-y", "-v", "error",
         "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={RATE}:duration={seconds}",
         "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}",
         "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path)],
        check=True,
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
async def cinema(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cinema]:
    """One film for all tests that only watch."""
    base = f"{str(stack.public_url).rstrip('/')}/api/v1"
    async with httpx.AsyncClient(base_url=base, timeout=60) as api, httpx.AsyncClient(timeout=60) as http:
        mina = Person(api, f"mina-{secrets.token_hex(4)}")
        await mina.register()
        await mina.verify(stack)
        await mina.log_in()
        await mina.post("/users/me/seller")
        await mina.log_in()
        video_id = await filming.send_film(mina, make(tmp_path_factory.mktemp("film") / "film.mp4"))
        await filming.until_ready(mina, "videos", video_id)
        yield Cinema(mina, video_id, http)


def unsigned(address: str) -> str:
    """An address without its signature."""
    return urlsplit(address)._replace(query="").geturl()
