"""Where uploads are kept: each SQL text above the function that runs it, or above the rows that it takes."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from consumers.runtime import Database, StateTable
from consumers.transcoding.upload import Awaited, Facts, Failed, InWork, Ready, Unknown, Upload, Withdrawn, Work
from schemas.videos import PictureSize, Rendition

UPLOAD: Final = StateTable(
    "upload",
    key=("id",),
    columns=(
        "owner_id",
        "purpose",
        "filename",
        "content_type",
        "size",
        "checksum",
        "upload_id",
        "auction_id",
        "requested_at",
        "expires_at",
        "status",
        "sequence",
        "tasks",
        "playable_after",
        "done",
        "duration_ms",
        "width",
        "height",
        "progress",
        "renditions",
        "sizes",
        "code",
        "reason",
    ),
)

_RENDITIONS: Final = TypeAdapter(tuple[Rendition, ...])
_SIZES: Final = TypeAdapter(tuple[PictureSize, ...])
_STATUS: Final = {
    Awaited: "uploading",
    InWork: "processing",
    Ready: "ready",
    Failed: "failed",
    Withdrawn: "withdrawn",
}


def upload_row(upload: Awaited | InWork | Ready | Failed | Withdrawn, sequence: int) -> tuple[Any, ...]:
    """The row of table `upload`; `sequence` is that of its last event."""
    facts = upload.facts
    work = upload.work if isinstance(upload, InWork | Ready) else None
    renditions = upload.renditions if isinstance(upload, InWork | Ready) else ()
    sizes = upload.sizes if isinstance(upload, Ready) else ()
    failed = upload if isinstance(upload, Failed) else None
    return (
        facts.id,
        facts.owner_id,
        facts.purpose,
        # Of what is withdrawn, perhaps since its owner left, nothing stays that a person wrote.
        "" if isinstance(upload, Withdrawn) else facts.filename,
        facts.content_type,
        facts.size,
        facts.checksum,
        facts.upload_id,
        facts.auction_id,
        _instant(facts.requested_ms),
        _instant(facts.expires_ms),
        _STATUS[type(upload)],
        sequence,
        None if work is None else list(work.tasks),
        None if work is None else sorted(work.playable_after),
        None if work is None else sorted(work.done),
        None if work is None else work.duration_ms,
        None if work is None else work.width,
        None if work is None else work.height,
        upload.progress if isinstance(upload, InWork) else 0.0,
        _RENDITIONS.dump_json(renditions, by_alias=True).decode(),
        _SIZES.dump_json(sizes, by_alias=True).decode(),
        None if failed is None else failed.code,
        None if failed is None else failed.reason,
    )


UPLOADS: Final = """
    SELECT * FROM upload WHERE id = ANY($1)
"""


async def uploads(db: Database, ids: Collection[UUID]) -> dict[UUID, tuple[Upload, int]]:
    """The uploads of these ids that there are, each with the sequence of its last event."""
    return {row["id"]: (_restored(row), row["sequence"]) for row in await db.fetch(UPLOADS, list(ids))}


async def upload(db: Database, upload_id: UUID) -> Upload:
    """One upload as it is now."""
    found = await uploads(db, [upload_id])
    return found[upload_id][0] if upload_id in found else Unknown()


def _restored(row: asyncpg.Record) -> Upload:
    facts = Facts(
        id=row["id"],
        owner_id=row["owner_id"],
        purpose=row["purpose"],
        filename=row["filename"],
        content_type=row["content_type"],
        size=row["size"],
        checksum=row["checksum"],
        upload_id=row["upload_id"],
        auction_id=row["auction_id"],
        requested_ms=_milliseconds(row["requested_at"]),
        expires_ms=_milliseconds(row["expires_at"]),
    )
    match row["status"]:
        case "uploading":
            return Awaited(facts)
        case "processing":
            renditions = _RENDITIONS.validate_json(row["renditions"])
            return InWork(facts, _work(row), renditions, row["progress"])
        case "ready":
            sizes = _SIZES.validate_json(row["sizes"])
            return Ready(facts, _work(row), _RENDITIONS.validate_json(row["renditions"]), sizes)
        case "failed":
            return Failed(facts, row["code"], row["reason"])
        case _:
            return Withdrawn(facts)


def _work(row: asyncpg.Record) -> Work | None:
    if row["tasks"] is None:
        return None
    return Work(
        tasks=tuple(row["tasks"]),
        playable_after=frozenset(row["playable_after"]),
        done=frozenset(row["done"]),
        duration_ms=row["duration_ms"],
        width=row["width"],
        height=row["height"],
    )


OPEN_UPLOADS: Final = """
    SELECT owner_id, count(*) AS open FROM upload WHERE owner_id = ANY($1) AND status = 'uploading' GROUP BY owner_id
"""


async def open_uploads(db: Database, owners: Collection[UUID]) -> dict[UUID, int]:
    """How many unfinished uploads each has; who has none is absent."""
    return {row["owner_id"]: row["open"] for row in await db.fetch(OPEN_UPLOADS, list(owners))}


UPLOADS_OF: Final = """
    SELECT id FROM upload WHERE owner_id = $1 AND status <> 'withdrawn'
"""


async def uploads_of(db: Database, owner_id: UUID) -> list[UUID]:
    """Everything that somebody uploaded and nobody withdrew."""
    return [row["id"] for row in await db.fetch(UPLOADS_OF, owner_id)]


OLDER_AVATARS: Final = """
    SELECT older.id
      FROM upload now
      JOIN upload older ON older.owner_id = now.owner_id AND older.purpose = 'avatar' AND older.status = 'ready'
                       AND older.requested_at < now.requested_at
     WHERE now.id = $1
"""


async def older_avatars(db: Database, picture_id: UUID) -> list[UUID]:
    """The avatars that this one takes the place of."""
    return [row["id"] for row in await db.fetch(OLDER_AVATARS, picture_id)]


KNOWN: Final = """
    SELECT id FROM upload WHERE id = ANY($1)
"""


async def known(db: Database, ids: Iterable[UUID]) -> set[UUID]:
    """Which of these ids there is an upload of."""
    return {row["id"] for row in await db.fetch(KNOWN, list(ids))}


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
