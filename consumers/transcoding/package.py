"""fMP4 pieces, their content addresses, and the manifest from which playlists are composed (RFC 8216, ISO 14496-12)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from consumers.transcoding.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One file to be stored: `track` is a rung's name or SOUND; `number` is the segment's, None for the track's init segment."""

    track: str
    number: int | None
    name: str
    """`{sha256[:32]}.{m4s,mp4}`: the last part of its key."""
    size_bytes: int
    duration_s: float
    """Of what it holds; 0 for an init segment."""
    codecs: str
    """RFC 6381, such as `avc1.64001f`; the same in all pieces of a track."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A segment in the manifest. `duration_s` is exact to the microsecond."""

    name: str
    size_bytes: int
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Track:
    """A rung or the sound, as stored. Rates in bits per second (RFC 8216 section 4.3.4.2), without the sound's."""

    name: str
    codecs: str
    bandwidth: int
    average_bandwidth: int
    init: str
    parts: tuple[Part, ...]
    width: int = 0
    height: int = 0
    frame_rate: str = ""
    """Decimal with three places as FRAME-RATE wants it; empty for sound."""
    channels: int = 0


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What playlists are made of: rungs lowest first, and the sound that goes with each of them, if the film has one.

    BANDWIDTH of a variant is its rung's + the sound's, CODECS both with a comma. EXT-X-PROGRAM-DATE-TIME of part n is the
    declared start of the film plus the durations of the parts before.
    """

    duration_s: float
    target_duration_s: int
    rungs: tuple[Track, ...]
    sound: Track | None


def manifest(plan: Plan, pieces: Iterable[Piece]) -> Manifest:
    """The manifest of all rungs whose pieces are all there (the lowest alone is a playable film).

    Raises Unfinished when not even the lowest rung (or the sound) is complete, or two init segments of one track differ.
    """
    raise NotImplementedError


class Unfinished(Exception):
    """Pieces are missing or do not fit together."""


def master_playlist(film: Manifest, *, addresses: dict[str, str], sound_address: str | None) -> str:
    """The master playlist; `addresses` maps a rung's name to its media playlist's address, rungs not in it are left out."""
    raise NotImplementedError


def media_playlist(film: Manifest, track: Track, *, address: dict[str, str], starts_at_ms: int | None = None) -> str:
    """The media playlist (VOD) of a track; `address` maps names of pieces (init too) to addresses.

    `starts_at_ms` (Unix) is when the film's first frame was, for EXT-X-PROGRAM-DATE-TIME.
    """
    raise NotImplementedError


def name_of(path: Path) -> str:
    """The content-addressed name of a file: first 32 hex digits of its SHA-256, and its own suffix."""
    raise NotImplementedError
