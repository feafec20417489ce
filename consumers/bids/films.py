"""Whose films there are and which can be shown, as far as transcoding has told: learnt from video-events."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from consumers.bids.asked import CreateAuction, PublishAuction, UpdateAuction
from consumers.bids.auction import Auction, Draft
from consumers.bids.listing import Listing
from consumers.runtime import Database, Incoming, ReadAs, Write


class Told(msgspec.Struct, rename="camel", gc=False):
    """What all these events say, and more than is needed of them: their type and their place count."""

    video_id: UUID
    owner_id: UUID


READERS: Final = dict.fromkeys(
    ("VideoUploadRequested", "VideoUploaded", "VideoReady", "VideoFailed", "VideoWithdrawn"),
    ReadAs(Told, refuses_nul=False),
)

LEARN: Final = """
    INSERT INTO film AS f (video_id, owner_id, status, sequence) VALUES ($1, $2, $3, $4)
        ON CONFLICT (video_id) DO UPDATE
       SET status = excluded.status, sequence = excluded.sequence
     WHERE f.sequence < excluded.sequence
"""
_STATUS: Final = {"VideoReady": "ready", "VideoWithdrawn": "gone", "VideoFailed": "failed"}


async def learn(batch: Sequence[Incoming], _db: Database) -> list[Write]:
    """Remember what became of films; the newest event of a film wins, however often and late the others come."""
    rows = [
        (incoming.aggregate, incoming.body.owner_id, _STATUS.get(incoming.type, "coming"), incoming.sequence or 0)
        for incoming in batch
    ]
    return [Write(LEARN, rows)] if rows else []


class Film(NamedTuple):
    """Whose it is, and whether it can be shown: coming, ready, failed or gone."""

    owner: str
    status: str


FILMS: Final = """
    SELECT video_id, owner_id, status FROM film WHERE video_id = ANY($1)
"""


async def load_films(db: Database, video_ids: Collection[UUID]) -> dict[UUID, Film]:
    """The films of these ids that there are."""
    rows = await db.fetch(FILMS, list(video_ids)) if video_ids else []
    return {row["video_id"]: Film(str(row["owner_id"]), row["status"]) for row in rows}


OFFERS: Final = frozenset({CreateAuction, UpdateAuction, PublishAuction})
"""The commands by which an auction comes to show a film."""


def film_of(body: object, listing: Listing | None) -> UUID | None:
    """The film that a command would have an auction show; `listing` is the auction's so far."""
    match body:
        case CreateAuction() | UpdateAuction():
            return body.video_id
        case PublishAuction() if listing is not None and listing.video_id is not None:
            return UUID(listing.video_id)
        case _:
            return None


def objection(
    body: object, before: Auction, listing: Listing | None, seller: str, films: Mapping[UUID, Film]
) -> str | None:
    """Why a seller may not show the film that a command names; None when they may, or when it names none.

    A draft may be prepared while its film is still being worked on.
    """
    video_id = film_of(body, listing)
    if video_id is None:
        return None
    film = films.get(video_id)
    if film is None or film.status == "gone":
        return "video_not_found"
    if film.owner != seller:
        return "not_video_owner"
    draft = (
        body.draft if isinstance(body, CreateAuction) else isinstance(body, UpdateAuction) and isinstance(before, Draft)
    )
    if film.status == "ready" or (draft and film.status == "coming"):
        return None
    return "video_not_ready"
