"""Which picture is whose avatar, as transcoding tells it."""

from collections.abc import Sequence
from typing import Final

from consumers.runtime import Database, Incoming, Write
from schemas.videos import PictureReady, PictureSize, PictureWithdrawn

SHOWN_PIXELS: Final = 256
"""Profiles show the smallest size that is at least so wide, or the largest there is."""

SHOW: Final = """
    INSERT INTO avatar AS a (user_id, picture_id, path, requested_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id) DO UPDATE
       SET picture_id = excluded.picture_id, path = excluded.path, requested_at = excluded.requested_at
     WHERE a.requested_at < excluded.requested_at
"""
# The row stays: the picture's older events, should they come again, must not bring it back.
HIDE: Final = """
    UPDATE avatar SET path = NULL WHERE user_id = $1 AND picture_id = $2
"""


async def learn(batch: Sequence[Incoming], _db: Database) -> list[Write]:
    """Remember avatars in the order of their events; of two the one requested later is shown, however they come."""
    writes = []
    for incoming in batch:
        match incoming.body:
            case PictureReady(purpose="avatar") as told:
                path = f"/pictures/{told.picture_id}/{_shown(told.sizes).name}"
                writes.append(Write(SHOW, [(told.owner_id, told.picture_id, path, told.requested_at)]))
            case PictureWithdrawn(purpose="avatar") as told:
                writes.append(Write(HIDE, [(told.owner_id, told.picture_id)]))
    return writes


def _shown(sizes: Sequence[PictureSize]) -> PictureSize:
    return next((size for size in sizes if size.width >= SHOWN_PIXELS), sizes[-1])
