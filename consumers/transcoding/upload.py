"""What an upload is at each moment: separate states, so that impossible fields do not exist."""

from dataclasses import dataclass
from uuid import UUID

from schemas.videos import PictureSize, Purpose, Rendition


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was asked for, and by whom; `upload_id` is S3's of a multipart upload. Times in ms since 1970."""

    id: UUID
    owner_id: UUID
    purpose: Purpose
    filename: str
    content_type: str
    size: int
    checksum: str | None
    upload_id: str | None
    auction_id: UUID | None
    requested_ms: int
    expires_ms: int

    @property
    def is_film(self) -> bool:
        """Whether it is a film; else a picture."""
        return self.purpose == "film"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody asked for it yet."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """Its bytes are on their way."""

    facts: Facts


@dataclass(frozen=True, slots=True)
class Work:
    """What a film takes: tasks by name, those done, and those after which its lowest rung can be played."""

    tasks: tuple[str, ...]
    playable_after: frozenset[str]
    done: frozenset[str]
    duration_ms: int
    width: int
    height: int

    @property
    def is_playable(self) -> bool:
        """Whether its lowest rung is all there."""
        return self.playable_after <= self.done

    @property
    def is_complete(self) -> bool:
        """Whether everything is there."""
        return self.done.issuperset(self.tasks)


@dataclass(frozen=True, slots=True)
class InWork:
    """Being worked on: `work` is None until it was inspected; `renditions` can be played already. `progress` as told last."""

    facts: Facts
    work: Work | None = None
    renditions: tuple[Rendition, ...] = ()
    progress: float = 0.0


@dataclass(frozen=True, slots=True)
class Ready:
    """Done: the renditions of a film, or the sizes of a picture."""

    facts: Facts
    work: Work | None = None
    renditions: tuple[Rendition, ...] = ()
    sizes: tuple[PictureSize, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be nothing; why, as a stable code and for its owner."""

    facts: Facts
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Shown no more."""

    facts: Facts


Upload = Unknown | Awaited | InWork | Ready | Failed | Withdrawn
