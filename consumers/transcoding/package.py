"""fMP4 pieces and their content addresses, and the manifest that tells what a film is made of (ISO 14496-12, RFC 8216)."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumers.transcoding.plan import SOUND, Plan, Rung

_NAME_DIGITS: Final = 32


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


class Unfinished(Exception):
    """Pieces are missing or do not fit together."""


def manifest(plan: Plan, pieces: Iterable[Piece]) -> Manifest:
    """The manifest of all rungs whose pieces are all there (the lowest alone is a playable film).

    Raises Unfinished when not even the lowest rung (or the sound) is complete, or two init segments of one track differ.
    """
    by_track: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_track.setdefault(piece.track, []).append(piece)
    has_sound = any(task.rungs == (SOUND,) for task in plan.tasks)
    sound = _track(SOUND, by_track.get(SOUND, []), count=None) if has_sound else None
    rungs = []
    for rung in plan.rungs:
        track = _track(rung.name, by_track.get(rung.name, []), count=len(plan.segments), rung=rung, plan=plan)
        if track is None:
            break
        rungs.append(track)
    if not rungs or (has_sound and sound is None):
        raise Unfinished("the lowest rung or the sound is not complete")
    longest_s = max(part.duration_s for track in [*rungs, *([sound] if sound else [])] for part in track.parts)
    return Manifest(
        duration_s=round(sum(plan.duration_s(segment) for segment in plan.segments), 6),
        # RFC 8216 section 4.3.3.1: durations, rounded to whole seconds, must not be above it.
        target_duration_s=max(1, math.floor(longest_s + 0.5)),
        rungs=tuple(rungs),
        sound=sound,
    )


def _track(
    name: str, pieces: list[Piece], *, count: int | None, rung: Rung | None = None, plan: Plan | None = None
) -> Track | None:
    inits = {(piece.name, piece.codecs) for piece in pieces if piece.number is None}
    parts = {piece.number: piece for piece in pieces if piece.number is not None}
    if len(inits) > 1:
        raise Unfinished(f"{name} has {len(inits)} different init segments")
    if not inits or set(parts) != set(range(len(parts) if count is None else count)) or not parts:
        return None
    ordered = [parts[number] for number in sorted(parts)]
    init, codecs = next(iter(inits))
    return Track(
        name=name,
        codecs=codecs,
        bandwidth=_peak(ordered),
        average_bandwidth=math.ceil(sum(p.size_bytes for p in ordered) * 8 / sum(p.duration_s for p in ordered)),
        init=init,
        parts=tuple(Part(name=p.name, size_bytes=p.size_bytes, duration_s=p.duration_s) for p in ordered),
        width=rung.width if rung else 0,
        height=rung.height if rung else 0,
        frame_rate=f"{float(plan.frame_rate):.3f}" if plan else "",
        channels=0 if rung else 2,
    )


def _peak(parts: list[Piece]) -> int:
    """The largest rate of any contiguous set of segments between 0.5 and 1.5 target durations (RFC 8216 section 4.1)."""
    target_s = max(part.duration_s for part in parts)
    peak = 0.0
    for first in range(len(parts)):
        size, length_s = 0, 0.0
        for part in parts[first:]:
            size, length_s = size + part.size_bytes, length_s + part.duration_s
            if length_s > 1.5 * target_s:
                break
            if length_s >= 0.5 * target_s:
                peak = max(peak, size * 8 / length_s)
    return math.ceil(peak)


@dataclass(frozen=True)
class _Box:
    kind: bytes
    at: int
    ends: int


def _boxes(made: bytes, at: int, ends: int) -> Iterator[_Box]:
    while at < ends:
        length = int.from_bytes(made[at : at + 4], "big")
        yield _Box(made[at + 4 : at + 8], at, at + length)
        at += length


def split(made: bytes) -> tuple[bytes, list[bytes]]:
    """The init segment and the fragments (one `moof` and its `mdat` each) of a fragmented MP4 that ffmpeg wrote."""
    outer = list(_boxes(made, 0, len(made)))
    starts = [box.at for box in outer if box.kind == b"moof"]
    ends = [*starts[1:], max((box.ends for box in outer if box.kind in (b"moof", b"mdat")), default=0)]
    init_ends = starts[0] if starts else len(made)
    return made[:init_ends], [made[at:end] for at, end in zip(starts, ends, strict=True)]


def moved(fragment: bytes, *, number: int, ticks: int) -> bytes:
    """The fragment as the `number`th of its track, `ticks` later on the track's clock (`mfhd`, `tfdt`)."""
    result = bytearray(fragment)
    [moof] = [box for box in _boxes(fragment, 0, len(fragment)) if box.kind == b"moof"]
    for box in _boxes(fragment, moof.at + 8, moof.ends):
        if box.kind == b"mfhd":
            result[box.at + 12 : box.at + 16] = (number + 1).to_bytes(4, "big")
        for inner in _boxes(fragment, box.at + 8, box.ends) if box.kind == b"traf" else ():
            if inner.kind == b"tfdt":
                size = 8 if fragment[inner.at + 8] == 1 else 4
                field = slice(inner.at + 12, inner.at + 12 + size)
                result[field] = (int.from_bytes(fragment[field], "big") + ticks).to_bytes(size, "big")
    return bytes(result)


def samples(fragment: bytes) -> int:
    """How many frames are in a fragment."""
    return sum(
        int.from_bytes(fragment[inner.at + 12 : inner.at + 16], "big")
        for moof in _boxes(fragment, 0, len(fragment))
        if moof.kind == b"moof"
        for traf in _boxes(fragment, moof.at + 8, moof.ends)
        if traf.kind == b"traf"
        for inner in _boxes(fragment, traf.at + 8, traf.ends)
        if inner.kind == b"trun"
    )


def codecs_of(init: bytes) -> str:
    """The codecs string (RFC 6381 section 3.3) of an init segment of ours."""
    at = init.find(b"avcC")
    return f"avc1.{init[at + 5 : at + 8].hex()}" if at >= 0 else "mp4a.40.2"


def keep(content: bytes, folder: Path, *, suffix: str) -> str:
    """Write a file named by its content: the first 32 hex digits of its SHA-256, and the suffix."""
    name = hashlib.sha256(content).hexdigest()[:_NAME_DIGITS] + suffix
    (folder / name).write_bytes(content)
    return name
