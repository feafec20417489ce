"""The demo's film: made by ffmpeg when none is given, played back as an ordinary player would, from its address alone."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx

FILM_S = 6
PLAYED_WITHIN_S = 120


class CannotPlay(Exception):
    """A player could not play it; the text says what it said."""


class Quality(NamedTuple):
    """One rung as a player finds it: its size in pixels, of all its pieces in bytes, its length in seconds."""

    width: int
    height: int
    codecs: str
    pieces: int
    size_bytes: int
    duration_s: float


async def make(path: Path) -> None:
    """A film of FILM_S seconds: a moving picture and a tone."""
    picture = f"testsrc2=size=1280x720:rate=25:duration={FILM_S}"
    sound = f"sine=frequency=330:beep_factor=2:duration={FILM_S}"
    await run(
        "ffmpeg", "-nostdin", "-y", "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound,
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest", str(path),
    )  # fmt: skip


async def run(program: str, *arguments: str) -> str:
    """Run ffmpeg or ffprobe to its end and return its output; raises CannotPlay with what it complains about."""
    found = shutil.which(program)
    if found is None:
        raise CannotPlay(f"{program} is not installed: apt-get install -y ffmpeg")
    process = await asyncio.create_subprocess_exec(
        found, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PLAYED_WITHIN_S):
            output, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise CannotPlay(f"{program} did not come to an end in {PLAYED_WITHIN_S} s") from None
    if process.returncode or complaints:
        raise CannotPlay(f"{program}: {complaints.decode(errors='replace').strip()[-400:]}")
    return output.decode()


async def probed(address: str) -> dict[str, Any]:
    """What ffprobe finds at a playlist's address: `streams` and `format`."""
    shown = "stream=codec_type,codec_name,width,height,avg_frame_rate:format=duration"
    text = await run("ffprobe", "-v", "error", "-show_entries", shown, "-of", "json", address)
    found: dict[str, Any] = json.loads(text)
    return found


async def decoded(address: str) -> int:
    """Play it to its end with ffmpeg; returns how many frames there were. Raises CannotPlay at the first error."""
    text = await run(
        "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-progress", "pipe:1", "-i", address, "-map", "0:v:0",
        "-map", "0:a:0?", "-f", "null", "-",
    )  # fmt: skip
    return int(re.findall(r"frame=(\d+)", text)[-1])


async def qualities(http: httpx.AsyncClient, address: str) -> list[Quality]:
    """Every rung of a master playlist, measured by asking the CDN for the size of each of its pieces."""
    master = await _text(http, address)
    variants = re.findall(r"^#EXT-X-STREAM-INF:(.*)\n(.*)$", master, re.MULTILINE)
    return [await _quality(http, about, urljoin(address, rung)) for about, rung in variants]


async def _quality(http: httpx.AsyncClient, about: str, address: str) -> Quality:
    media = await _text(http, address)
    names = re.findall(r'(?<=#EXT-X-MAP:URI=")[^"]+|^[^#\s].*$', media, re.MULTILINE)
    sizes = [int((await http.head(urljoin(address, name))).headers["Content-Length"]) for name in names]
    [(width, height)] = re.findall(r"RESOLUTION=(\d+)x(\d+)", about)
    [codecs] = re.findall(r'CODECS="([^"]+)"', about)
    seconds = sum(float(one) for one in re.findall(r"#EXTINF:([\d.]+)", media))
    return Quality(int(width), int(height), codecs, len(names), sum(sizes), seconds)


async def _text(http: httpx.AsyncClient, address: str) -> str:
    answer = await http.get(address)
    if answer.status_code != 200:
        raise CannotPlay(f"{address.partition('?')[0]} answers {answer.status_code}")
    return answer.text
