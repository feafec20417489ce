"""What is said about films and pictures: requests of people, commands to `transcoding`, and the events it tells."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from schemas.envelope import Request, Time, Wire
from schemas.text import FileName, Note

Purpose = Literal["film", "avatar", "auction"]
"""What is uploaded: a film, somebody's portrait, or a picture of an auction."""

FilmType = Literal["video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/3gpp", "video/x-m4v"]
PictureType = Literal["image/jpeg", "image/png", "image/webp"]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 as 64 hexadecimal digits in lower case."""

# What people send.


class FilmUpload(Request):
    """POST /videos/upload; `size` in bytes, `checksum` the file's SHA-256 in hex."""

    filename: FileName
    content_type: FilmType
    size: int = Field(ge=1, le=2**50, strict=True)
    checksum: Sha256 | None = None


class PictureUpload(Request):
    """POST /users/me/avatar and /auctions/{id}/pictures; `size` in bytes, `checksum` the file's SHA-256 in hex."""

    filename: FileName
    content_type: PictureType
    size: int = Field(ge=1, le=2**50, strict=True)
    checksum: Sha256 | None = None


class Withdrawal(Request):
    """POST /videos/{id}/withdraw (admin)."""

    reason: Note = Field(min_length=1)


# Commands to transcoding; `videoId` is a film's or a picture's id, and the message's key.


class RequestUpload(Wire):
    """Somebody wants to upload; `uploadId` names the multipart upload that S3 opened for it, if it comes in parts."""

    video_id: UUID
    purpose: Purpose
    filename: str
    content_type: str
    size: int
    checksum: str | None = None
    upload_id: str | None = None
    auction_id: UUID | None = None


class CompleteUpload(Wire):
    """All bytes are in S3."""

    video_id: UUID


class WithdrawVideo(Wire):
    """A film or picture is to be shown no more: by its owner, or by an admin with a reason."""

    video_id: UUID
    reason: str | None = None


class ExpireUpload(Wire):
    """The upload was not finished in time."""

    video_id: UUID


class RecordInspected(Wire):
    """A runner found a film fit: what it is, and which tasks make it playable and complete."""

    video_id: UUID
    duration_ms: int
    width: int
    height: int
    rungs: list[str]
    tasks: list[str]
    playable_after: list[str]


class RecordEncoded(Wire):
    """A runner stored all results of one task."""

    video_id: UUID
    task: str


class Rendition(Wire):
    """One rung as it can be played; rates in bits per second, without the sound's."""

    name: str
    width: int
    height: int
    bandwidth: int
    average_bandwidth: int
    codecs: str
    frame_rate: str


class RecordPublished(Wire):
    """A runner stored a manifest: of the lowest rung, or with `complete` of all."""

    video_id: UUID
    complete: bool
    duration_ms: int
    size_bytes: int
    renditions: list[Rendition]


class PictureSize(Wire):
    """One size of a picture; `name` is the last part of its key `pictures/{pictureId}/{name}`."""

    name: str
    width: int
    height: int


class RecordPicture(Wire):
    """A runner stored all sizes of a picture, small to large."""

    video_id: UUID
    sizes: list[PictureSize]


class RecordUnfit(Wire):
    """A runner found that nothing can be made of it: a stable code, and a reason for its owner."""

    video_id: UUID
    code: str
    reason: str


# Events of films.


class VideoUploadRequested(Wire):
    """A film may be uploaded until `expiresAt`."""

    video_id: UUID
    owner_id: UUID
    content_type: str
    size: int
    expires_at: Time


class VideoUploaded(Wire):
    """A film is there and is being worked on."""

    video_id: UUID
    owner_id: UUID
    size: int


class VideoProcessingProgressed(Wire):
    """How much of the work is done, 0 to 1."""

    video_id: UUID
    owner_id: UUID
    progress: float = Field(ge=0, le=1)


class VideoPlayable(Wire):
    """The lowest rung can be played; others follow."""

    video_id: UUID
    owner_id: UUID
    duration_ms: int
    renditions: list[Rendition]


class VideoReady(Wire):
    """All rungs can be played; told once."""

    video_id: UUID
    owner_id: UUID
    duration_ms: int
    renditions: list[Rendition]


class VideoFailed(Wire):
    """There will be no film: a stable code, and a reason that its owner understands."""

    video_id: UUID
    owner_id: UUID
    code: str
    reason: str


class VideoWithdrawn(Wire):
    """The film is shown no more."""

    video_id: UUID
    owner_id: UUID
    by: Literal["owner", "admin", "system"]
    reason: str | None = None


# Events of pictures.


class PictureUploadRequested(Wire):
    """A picture may be uploaded until `expiresAt`."""

    picture_id: UUID
    owner_id: UUID
    purpose: Purpose
    auction_id: UUID | None = None
    content_type: str
    size: int
    expires_at: Time


class PictureUploaded(Wire):
    """A picture is there and is being worked on."""

    picture_id: UUID
    owner_id: UUID
    size: int


class PictureReady(Wire):
    """A picture can be shown: its sizes, small to large. Of two avatars the one requested later counts."""

    picture_id: UUID
    owner_id: UUID
    purpose: Purpose
    auction_id: UUID | None = None
    requested_at: Time
    sizes: list[PictureSize]


class PictureFailed(Wire):
    """There will be no picture."""

    picture_id: UUID
    owner_id: UUID
    code: str
    reason: str


class PictureWithdrawn(Wire):
    """The picture is shown no more."""

    picture_id: UUID
    owner_id: UUID
    purpose: Purpose
    by: Literal["owner", "admin", "system"]
    reason: str | None = None
