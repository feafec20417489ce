"""The viewer's own rendition: one segment with a visible mark of his pseudonym that moves over the picture."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Marked:
    """The files made: names in the folder, and the codecs string (RFC 6381). The init segment is the same for all segments and viewers."""

    init: str
    part: str
    size_bytes: int
    codecs: str


async def watermark(
    init: Path, part: Path, folder: Path, *, text: str, start_s: float, frames: int, frame_rate: tuple[int, int]
) -> Marked:
    """Mark one stored segment (its track's init, and the part); `start_s` is the segment's start in the film.

    Takes under 2 s of one core for 4 s of 720p at 30 frames/s. Raises `sandbox.Failed`.
    """
    raise NotImplementedError
