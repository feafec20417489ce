"""What the edge answers with about films and pictures."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.envelope import Time, Wire
from schemas.videos import Purpose, Rendition

Status = Literal["uploading", "processing", "ready", "failed", "withdrawn"]


class UploadPart(Wire):
    """One part: PUT its bytes to `url`, which is absent when they have arrived."""

    part_number: int
    size: int
    url: str | None = None
    received: bool | None = None


class Invitation(Wire):
    """Where to send a file before `expiresAt` (addresses can be renewed until `openUntil`).

    `url` and `fields`: one POST as multipart/form-data, the fields first and the file last, as `file`. `parts`: one PUT each.
    """

    video_id: UUID | None = None
    picture_id: UUID | None = None
    url: str | None = None
    fields: dict[str, str] | None = None
    upload_id: str | None = None
    part_size: int | None = None
    parts: list[UploadPart] | None = None
    expires_at: Time
    open_until: Time


class UploadStanding(Invitation):
    """An open upload: `received` bytes have arrived, and fresh addresses for the rest."""

    received: int


class Failure(Wire):
    """Why nothing could be made of a file: a stable code, and a sentence for its owner."""

    code: str
    reason: str


class Video(Wire):
    """A film as its owner sees it; `progress` from 0 to 1, `duration` in seconds."""

    id: UUID
    status: Status
    progress: float = Field(ge=0, le=1)
    playable: bool
    filename: str
    content_type: str
    size: int
    duration: float | None
    width: int | None
    height: int | None
    renditions: list[Rendition]
    failure: Failure | None
    created_at: Time


class Videos(Wire):
    """A page of films, the latest first."""

    items: list[Video]
    next_cursor: str | None


class SizedUrl(Wire):
    """One size of a picture."""

    width: int
    height: int
    url: str


class Picture(Wire):
    """A picture as its owner sees it; sizes small to large."""

    id: UUID
    status: Status
    purpose: Purpose
    sizes: list[SizedUrl]
    failure: Failure | None
    created_at: Time


class AuctionPicture(Wire):
    """A picture of an auction; sizes small to large."""

    id: UUID
    sizes: list[SizedUrl]
    created_at: Time


class AuctionPictures(Wire):
    """The pictures of an auction, in the order in which they were added."""

    items: list[AuctionPicture]
