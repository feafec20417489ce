"""How what happened to an upload is told: of a film as Video..., of a picture as Picture..."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from consumers.transcoding.upload import Facts
from schemas import videos
from schemas.envelope import Wire


def requested(facts: Facts) -> Wire:
    """It may be uploaded."""
    said = {
        "owner_id": facts.owner_id,
        "content_type": facts.content_type,
        "size": facts.size,
        "expires_at": _instant(facts.expires_ms),
    }
    if facts.is_film:
        return videos.VideoUploadRequested(video_id=facts.id, **said)
    return videos.PictureUploadRequested(
        picture_id=facts.id, purpose=facts.purpose, auction_id=facts.auction_id, **said
    )


def uploaded(facts: Facts) -> Wire:
    """Its bytes are there."""
    if facts.is_film:
        return videos.VideoUploaded(video_id=facts.id, owner_id=facts.owner_id, size=facts.size)
    return videos.PictureUploaded(picture_id=facts.id, owner_id=facts.owner_id, size=facts.size)


def progressed(facts: Facts, progress: float) -> Wire:
    """So much of the work is done, 0 to 1."""
    return videos.VideoProcessingProgressed(video_id=facts.id, owner_id=facts.owner_id, progress=progress)


def playable(facts: Facts, duration_ms: int, renditions: Sequence[videos.Rendition]) -> Wire:
    """Its lowest rung can be played."""
    return videos.VideoPlayable(
        video_id=facts.id, owner_id=facts.owner_id, duration_ms=duration_ms, renditions=list(renditions)
    )


def ready(facts: Facts, duration_ms: int, renditions: Sequence[videos.Rendition]) -> Wire:
    """All rungs can be played."""
    return videos.VideoReady(
        video_id=facts.id, owner_id=facts.owner_id, duration_ms=duration_ms, renditions=list(renditions)
    )


def picture_ready(facts: Facts, sizes: Sequence[videos.PictureSize]) -> Wire:
    """It can be shown."""
    return videos.PictureReady(
        picture_id=facts.id,
        owner_id=facts.owner_id,
        purpose=facts.purpose,
        auction_id=facts.auction_id,
        requested_at=_instant(facts.requested_ms),
        sizes=list(sizes),
    )


def failed(facts: Facts, code: str, reason: str) -> Wire:
    """There will be nothing, and why."""
    if facts.is_film:
        return videos.VideoFailed(video_id=facts.id, owner_id=facts.owner_id, code=code, reason=reason)
    return videos.PictureFailed(picture_id=facts.id, owner_id=facts.owner_id, code=code, reason=reason)


def withdrawn(facts: Facts, by: Literal["owner", "admin", "system"], reason: str | None) -> Wire:
    """It is shown no more."""
    if facts.is_film:
        return videos.VideoWithdrawn(video_id=facts.id, owner_id=facts.owner_id, by=by, reason=reason)
    return videos.PictureWithdrawn(
        picture_id=facts.id, owner_id=facts.owner_id, purpose=facts.purpose, by=by, reason=reason
    )


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
