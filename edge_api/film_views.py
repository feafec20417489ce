"""What the edge reads about films: the views of transcoding, the auctions that show a film, viewers' own renditions."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from consumers.transcoding.package import Manifest
from consumers.transcoding.stills import Stills
from edge_api.edge import Edge

FILM = """
    SELECT video_id, owner_id, status, reason, requested_at, manifest::text AS manifest, stills::text AS stills
      FROM transcoding.asset_view WHERE video_id = $1
"""

SHOWN_IN = """
    SELECT id, seller_id, status, winner_id, starts_at
      FROM bids.auction_view WHERE video_id = $1 ORDER BY starts_at DESC NULLS LAST LIMIT 1000
"""

MARKED = """
    SELECT count(*) FILTER (WHERE viewer = $1 AND video_id <> $2) AS by_viewer,
           count(*) FILTER (WHERE viewer <> $1 OR video_id <> $2) AS by_all
      FROM transcoding.marked_view
"""


class Film(NamedTuple):
    """A film as it stands; `manifest` is None until something of it can be played."""

    id: UUID
    owner_id: UUID
    status: str
    reason: str | None
    requested_at: datetime
    manifest: Manifest | None
    stills: Stills | None


class Showing(NamedTuple):
    """An auction that shows a film."""

    auction_id: UUID
    seller_id: UUID
    status: str
    winner_id: UUID | None
    starts_at: datetime | None


_read_manifest = msgspec.json.Decoder(Manifest).decode
_read_stills = msgspec.json.Decoder(Stills).decode


async def film(edge: Edge, video_id: UUID) -> Film | None:
    """One film, whatever became of it."""
    row = await edge.row(FILM, video_id)
    if row is None:
        return None
    return Film(
        row["video_id"],
        row["owner_id"],
        row["status"],
        row["reason"],
        row["requested_at"],
        None if row["manifest"] is None else _read_manifest(row["manifest"]),
        None if row["stills"] is None else _read_stills(row["stills"]),
    )


async def showings(edge: Edge, video_id: UUID) -> list[Showing]:
    """The auctions that show a film, the latest to start first."""
    return [
        Showing(row["id"], row["seller_id"], row["status"], row["winner_id"], row["starts_at"])
        for row in await edge.rows(SHOWN_IN, video_id)
    ]


async def others_marked(edge: Edge, video_id: UUID, viewer: UUID) -> tuple[int, int]:
    """How many renditions of their own there are beside this one: of this viewer, and of everybody."""
    row = await edge.row(MARKED, viewer, video_id)
    return (0, 0) if row is None else (row["by_viewer"], row["by_all"])
