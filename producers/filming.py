"""How a phone sends a film or picture: asks where to, sends it to S3 itself, says so, and waits until it is ready."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from producers.person import Person, Refused

LOOK_EVERY_S = 0.1
LOOK_S_MAX = 1.5
"""A film that takes long is looked at less often: everybody has a hundred requests a minute."""
SEND_WITHIN_S = 120.0
TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".m4v": "video/x-m4v",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".3gp": "video/3gpp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


class NoFilm(Exception):
    """Nothing became of the file; `code` and the text are the marketplace's own."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


async def send_film(person: Person, film: Path) -> str:
    """Upload a film of a seller's and say that it is there; returns its id. Raises Refused."""
    invited = await person.post("/videos/upload", _about(film))
    await send(person.http, invited, await asyncio.to_thread(film.read_bytes))
    await person.post(f"/videos/{invited['videoId']}/complete")
    return str(invited["videoId"])


async def send_picture(person: Person, picture: Path, address: str) -> str:
    """Upload a picture (`address` is /users/me/avatar or an auction's /pictures); returns its id. Raises Refused."""
    invited = await person.post(address, _about(picture))
    await send(person.http, invited, await asyncio.to_thread(picture.read_bytes))
    await person.post(f"/pictures/{invited['pictureId']}/complete")
    return str(invited["pictureId"])


async def send(http: httpx.AsyncClient, invited: dict[str, Any], content: bytes) -> None:
    """Send bytes to where they were invited: one form, or parts; raises httpx.HTTPStatusError when S3 refuses."""
    if "url" in invited:
        answer = await http.post(
            invited["url"], data=invited["fields"], files={"file": ("file", content)}, timeout=SEND_WITHIN_S
        )
        answer.raise_for_status()
        return
    start = 0
    for part in invited["parts"]:
        if not part.get("received"):
            answer = await http.put(part["url"], content=content[start : start + part["size"]], timeout=SEND_WITHIN_S)
            answer.raise_for_status()
        start += part["size"]


async def until_ready(person: Person, kind: str, upload_id: str) -> dict[str, Any]:
    """Wait until a film (`videos`) or picture (`pictures`) can be shown; raises NoFilm when there will be none."""
    wait_s = LOOK_EVERY_S
    while True:
        found = await person.get(f"/{kind}/{upload_id}")
        if found["status"] == "ready":
            return found
        if found["status"] in ("failed", "withdrawn"):
            failure = found["failure"] or {"code": found["status"], "reason": "It was withdrawn."}
            raise NoFilm(failure["code"], failure["reason"])
        await asyncio.sleep(wait_s)
        wait_s = min(1.3 * wait_s, LOOK_S_MAX)


async def offer_film(person: Person, offer: dict[str, Any], video_id: str) -> dict[str, Any]:
    """Open an auction with a film that has just become ready; raises Refused.

    What is ready for its owner is so a moment later for the auctions, which hear of it by an event.
    """
    while True:
        try:
            return await person.post("/auctions", {**offer, "videoId": video_id})
        except Refused as refusal:
            if refusal.code not in ("video_not_ready", "video_not_found"):
                raise
            await asyncio.sleep(LOOK_EVERY_S)


def _about(file: Path) -> dict[str, Any]:
    return {"filename": file.name, "contentType": TYPES[file.suffix.lower()], "size": file.stat().st_size}
