"""Which viewers' own renditions there are: admitted within limits, put off while watched, and found when they have expired."""

from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from consumers.runtime import Database
from consumers.transcoding.package import Manifest, Track
from consumers.transcoding.plan import Plan

MADE = """
    SELECT a.manifest::text AS manifest, i.plan::text AS plan
      FROM asset_view a JOIN inspected i USING (video_id)
     WHERE a.video_id = $1 AND a.manifest IS NOT NULL
"""

_read_manifest = msgspec.json.Decoder(Manifest).decode
_read_plan = msgspec.json.Decoder(Plan).decode


class Made(NamedTuple):
    """What was made of a film, and after which plan."""

    manifest: Manifest
    plan: Plan

    def rung(self, name: str) -> Track | None:
        """One of its rungs."""
        return next((one for one in self.manifest.rungs if one.name == name), None)


async def made(db: Database, video_id: UUID) -> Made | None:
    """None when the film cannot be played (any more)."""
    row = await db.fetchrow(MADE, video_id)
    return None if row is None else Made(_read_manifest(row["manifest"]), _read_plan(row["plan"]))


class Limits(NamedTuple):
    """How many renditions there may be at once, and for how long one is kept after it was watched last."""

    per_viewer: int
    in_all: int
    kept_s: int


ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended('marketplace:marked', 0))"

ADMIT = """
    INSERT INTO marked (video_id, viewer, expires_at)
    SELECT $1, $2, now() + make_interval(secs => $3)
     WHERE EXISTS (SELECT FROM marked WHERE video_id = $1 AND viewer = $2)
        OR ((SELECT count(*) FROM marked_view WHERE viewer = $2) < $4 AND (SELECT count(*) FROM marked_view) < $5)
        ON CONFLICT (video_id, viewer) DO UPDATE SET expires_at = excluded.expires_at
    RETURNING true
"""


async def admit(db: Database, video_id: UUID, viewer: UUID, limits: Limits) -> bool:
    """Begin a rendition or put its expiry off; False when there are too many already."""
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(ONE_BY_ONE)
        found = await connection.fetchval(ADMIT, video_id, viewer, limits.kept_s, limits.per_viewer, limits.in_all)
    return found is True


EXPIRED = "SELECT video_id, viewer FROM marked WHERE expires_at <= now() ORDER BY expires_at LIMIT 100"


async def expired(db: Database) -> list[asyncpg.Record]:
    """Renditions that nobody watches any more."""
    found: list[asyncpg.Record] = await db.fetch(EXPIRED)
    return found


FORGET = "DELETE FROM marked WHERE video_id = $1 AND viewer = $2 AND expires_at <= now()"


async def forget(db: Database, video_id: UUID, viewer: UUID) -> None:
    """Its objects are gone; unless it is watched again meanwhile."""
    await db.execute(FORGET, video_id, viewer)
