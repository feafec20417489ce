"""What runners found and made, kept as soon as it is in S3: what stands here is never made again."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

import msgspec

from consumers.runtime import Database, Write
from consumers.transcoding.film import Film
from consumers.transcoding.package import Manifest, Piece
from consumers.transcoding.plan import Plan
from consumers.transcoding.stills import Stills

STILLS: Final = "stills"
"""The task that makes poster, thumbnails and storyboard."""

KEEP_INSPECTED: Final = """
    INSERT INTO inspected (video_id, film, plan) VALUES ($1, $2, $3) ON CONFLICT (video_id) DO NOTHING
"""


async def keep_inspected(db: Database, video_id: UUID, film: Film, plan: Plan) -> None:
    """Keep a film's facts and plan; those kept first stay, since tasks may already be under way."""
    await db.execute(KEEP_INSPECTED, video_id, _text(film), _text(plan))


INSPECTED: Final = """
    SELECT film, plan FROM inspected WHERE video_id = $1
"""


async def inspected(db: Database, video_id: UUID) -> tuple[Film, Plan] | None:
    """A film's facts and plan, if it was inspected."""
    row = await db.fetchrow(INSPECTED, video_id)
    if row is None:
        return None
    return msgspec.json.decode(row["film"], type=Film), msgspec.json.decode(row["plan"], type=Plan)


KEEP_ENCODED: Final = """
    INSERT INTO encoded (video_id, task, made) VALUES ($1, $2, $3) ON CONFLICT (video_id, task) DO NOTHING
"""


async def keep_encoded(db: Database, video_id: UUID, task: str, made: list[Piece] | Stills) -> None:
    """All that a task made lies in S3."""
    await db.execute(KEEP_ENCODED, video_id, task, _text(made))


IS_ENCODED: Final = """
    SELECT EXISTS (SELECT FROM encoded WHERE video_id = $1 AND task = $2)
"""


async def is_encoded(db: Database, video_id: UUID, task: str) -> bool:
    """Whether a task is done."""
    return bool(await db.fetchval(IS_ENCODED, video_id, task))


MADE: Final = """
    SELECT task, made FROM encoded WHERE video_id = $1
"""


async def made(db: Database, video_id: UUID) -> tuple[list[Piece], Stills | None]:
    """All pieces of a film that lie in S3, and its stills if they do."""
    pieces: list[Piece] = []
    stills = None
    for row in await db.fetch(MADE, video_id):
        if row["task"] == STILLS:
            stills = msgspec.json.decode(row["made"], type=Stills)
        else:
            pieces += msgspec.json.decode(row["made"], type=list[Piece])
    return pieces, stills


UNDO: Final = """
    DELETE FROM encoded WHERE video_id = $1 AND task <> 'stills'
       AND EXISTS (SELECT FROM jsonb_array_elements(made) AS piece WHERE piece ->> 'name' = ANY($2))
    RETURNING task
"""


async def undo(db: Database, video_id: UUID, names: Collection[str]) -> list[str]:
    """Forget the tasks that made these pieces, which S3 has lost; returns them."""
    return [row["task"] for row in await db.fetch(UNDO, video_id, list(names))]


PUBLISH: Final = """
    INSERT INTO asset AS a (video_id, complete, manifest, stills) VALUES ($1, $2, $3, $4)
        ON CONFLICT (video_id) DO UPDATE
       SET complete = excluded.complete, manifest = excluded.manifest, stills = excluded.stills, published_at = now()
     WHERE NOT a.complete
"""


async def publish(db: Database, video_id: UUID, manifest: Manifest, stills: Stills | None, *, complete: bool) -> None:
    """Put the manifest in its place; a complete one is never replaced."""
    await db.execute(PUBLISH, video_id, complete, _text(manifest), None if stills is None else _text(stills))


ASSET: Final = """
    SELECT manifest, stills FROM asset WHERE video_id = $1
"""


async def asset(db: Database, video_id: UUID) -> tuple[Manifest, Stills | None] | None:
    """What is published of a film."""
    row = await db.fetchrow(ASSET, video_id)
    if row is None:
        return None
    stills = None if row["stills"] is None else msgspec.json.decode(row["stills"], type=Stills)
    return msgspec.json.decode(row["manifest"], type=Manifest), stills


FORGET: Final = """
    WITH gone AS (DELETE FROM asset WHERE video_id = $1), pieces AS (DELETE FROM encoded WHERE video_id = $1)
    DELETE FROM inspected WHERE video_id = $1
"""


async def forget(db: Database, video_id: UUID) -> None:
    """Nothing of the film lies in S3 any more."""
    await db.execute(FORGET, video_id)


HOLD: Final = """
    INSERT INTO held (job_id, slot) VALUES ($1, $2) ON CONFLICT (job_id) DO UPDATE SET slot = excluded.slot
    RETURNING kills
"""


async def hold(db: Database, job_id: UUID, slot: int) -> int:
    """This slot does a job; returns how many processes died while they did it."""
    kills: int = await db.fetchval(HOLD, job_id, slot)
    return kills


LET_GO: Final = """
    DELETE FROM held WHERE job_id = $1
"""


def let_go(job_id: UUID) -> Write:
    """The write that goes with the end of a job."""
    return Write(LET_GO, [(job_id,)])


TAKE_UP: Final = """
    WITH left_behind AS (
        UPDATE jobs SET lease_until = now()
         WHERE id IN (SELECT job_id FROM held WHERE slot = $1) AND lease_until > now()
           AND done_at IS NULL AND failed_at IS NULL
        RETURNING id)
    UPDATE held SET kills = kills + 1 WHERE job_id IN (SELECT id FROM left_behind)
"""


async def take_up(db: Database, slot: int) -> None:
    """End the leases that an earlier process of this slot left behind: a slot runs once, so that one is dead.

    Should it wake all the same, its own statements name its lease and change nothing.
    """
    await db.execute(TAKE_UP, slot)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
