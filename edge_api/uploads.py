"""How people send files: the invitation to upload, what of it has arrived, and what is read of uploads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edge_api.asked import json_response
from edge_api.edge import Edge, edge_of
from edge_api.people_views import time_text
from edge_api.problems import Problem
from edge_api.tokens import Caller
from schemas.envelope import print_time, time_ms


class Invited(msgspec.Struct, rename="camel"):
    """What transcoding says of an upload that it awaits."""

    id: UUID
    purpose: str
    content_type: str
    size: int
    part_bytes: int
    open_until: str
    upload_id: str | None = None


COLUMNS = """
    id, owner_id, purpose, filename, content_type, size, upload_id, auction_id, requested_at, expires_at, status,
    progress, playable, duration_ms, width, height, renditions::text AS renditions, sizes::text AS sizes, code, reason
"""
ONE = f"SELECT {COLUMNS} FROM transcoding.upload_view WHERE id = $1"  # noqa: S608  column names of ours
FILMS_OF = f"""
    SELECT {COLUMNS}
      FROM transcoding.upload_view
     WHERE owner_id = $1 AND purpose = 'film' AND status <> 'withdrawn'
       AND ($2::timestamptz IS NULL OR (requested_at, id) < ($2, $3))
     ORDER BY requested_at DESC, id DESC LIMIT $4
"""  # noqa: S608


async def one(edge: Edge, upload_id: UUID) -> asyncpg.Record | None:
    """One upload, whosever it is."""
    return await edge.row(ONE, upload_id)


async def films_of(
    edge: Edge, owner_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Somebody's films, the latest first."""
    at, upload_id = before or (None, None)
    return await edge.rows(FILMS_OF, owner_id, at, upload_id, limit)


async def own(edge: Edge, upload_id: UUID, caller: Caller, *, film: bool) -> asyncpg.Record:
    """An upload of the caller's, or for an admin anybody's; raises Problem 404, also for one that is somebody else's."""
    found = await one(edge, upload_id)
    if (
        found is None
        or (found["purpose"] == "film") != film
        or not (found["owner_id"] == caller.user_id or "admin" in caller.roles)
    ):
        raise Problem(*(("video_not_found", "There is no such video.") if film else NO_PICTURE))
    return found


NO_PICTURE = ("picture_not_found", "There is no such picture.")


def key_of(upload_id: UUID) -> str:
    """Under which key an upload arrives."""
    return f"incoming/{upload_id}"


def part_sizes(size: int, part_bytes: int) -> list[int]:
    """The size of each part, in bytes."""
    whole, rest = divmod(size, part_bytes)
    return [part_bytes] * whole + ([rest] if rest else [])


def invitation(edge: Edge, invited: Invited) -> dict[str, Any]:
    """Where the file is to be sent: a form for one request, or the addresses of all parts."""
    said: dict[str, Any] = {
        "videoId" if invited.purpose == "film" else "pictureId": str(invited.id),
        "expiresAt": print_time(time_ms() + edge.settings.upload_signed_s * 1000),
        "openUntil": invited.open_until,
    }
    key = key_of(invited.id)
    if invited.upload_id is None:
        return said | edge.storage.form(key, content_type=invited.content_type, size=invited.size)
    sizes = part_sizes(invited.size, invited.part_bytes)
    addresses = edge.storage.part_addresses(key, invited.upload_id, range(1, len(sizes) + 1))
    parts = [{"partNumber": number, "size": sizes[number - 1], "url": url} for number, url in addresses.items()]
    return said | {"uploadId": invited.upload_id, "partSize": invited.part_bytes, "parts": parts}


async def standing(request: Request, row: asyncpg.Record) -> Response:
    """What has arrived of an open upload, and fresh addresses for what has not; raises Problem 409 when it is over."""
    edge = edge_of(request)
    if row["status"] != "uploading":
        raise Problem("upload_closed", "The upload is over.", more={"uploadStatus": row["status"]})
    invited = Invited(
        id=row["id"],
        purpose=row["purpose"],
        content_type=row["content_type"],
        size=row["size"],
        part_bytes=edge.settings.video_part_bytes,
        open_until=time_text(row["expires_at"]),
        upload_id=row["upload_id"],
    )
    said = invitation(edge, invited)
    if invited.upload_id is None:
        return json_response({**said, "received": await edge.storage.size(key_of(invited.id)) or 0})
    there = await edge.storage.parts(key_of(invited.id), invited.upload_id) or {}
    parts = [_part(part, there) for part in said["parts"]]
    return json_response({**said, "parts": parts, "received": sum(there.values())})


def _part(part: dict[str, Any], there: Mapping[int, int]) -> dict[str, Any]:
    if there.get(part["partNumber"]) == part["size"]:
        return {"partNumber": part["partNumber"], "size": part["size"], "received": True}
    return {**part, "received": False}


async def need_whole(edge: Edge, row: asyncpg.Record) -> None:
    """Raise Problem 409 unless all bytes are in S3. While S3 is away nothing is known: transcoding will see."""
    try:
        received = await _received(edge, row)
    except Problem as away:
        if away.code != "service_unavailable":
            raise
        return
    if received != row["size"]:
        raise Problem(
            "upload_incomplete",
            f"{received} of {row['size']} bytes have arrived.",
            more={"received": received, "size": row["size"]},
        )


async def _received(edge: Edge, row: asyncpg.Record) -> int:
    key = key_of(row["id"])
    if row["upload_id"] is not None:
        parts = await edge.storage.parts(key, row["upload_id"])
        if parts:
            return sum(parts.values())
    return await edge.storage.size(key) or 0


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """A film as its owner sees it."""
    return {
        "id": str(row["id"]),
        "status": row["status"],
        "progress": round(row["progress"], 3),
        "playable": row["playable"],
        "filename": row["filename"],
        "contentType": row["content_type"],
        "size": row["size"],
        "duration": None if row["duration_ms"] is None else row["duration_ms"] / 1000,
        "width": row["width"],
        "height": row["height"],
        "renditions": msgspec.Raw(row["renditions"].encode()),
        "failure": None if row["code"] is None else {"code": row["code"], "reason": row["reason"]},
        "createdAt": time_text(row["requested_at"]),
    }


def picture_urls(edge: Edge, picture_id: UUID, sizes: str) -> list[dict[str, Any]]:
    """The sizes of a picture (JSON of schemas.videos.PictureSize) with their addresses, small to large."""
    read: Sequence[dict[str, Any]] = msgspec.json.decode(sizes)
    return [
        {
            "width": size["width"],
            "height": size["height"],
            "url": edge.cdn.address(f"/pictures/{picture_id}/{size['name']}"),
        }
        for size in read
    ]
