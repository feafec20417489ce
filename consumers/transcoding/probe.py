"""The second gate: ffprobe in its sandbox says what is in the file, and the limits say whether we take it."""

from dataclasses import dataclass
from pathlib import Path

from consumers.transcoding.film import Film


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is taken at most (SECURITY: uploads)."""

    size_bytes: int = 2_000_000_000
    duration_s: float = 600.0
    pixels: int = 35_389_440
    streams: int = 8
    frame_rate: float = 250.0


async def probe(source: Path, limits: Limits) -> Film:
    """The facts of a film (magic, structure, streams, every frame's time, a decoded sample); raises Unfit."""
    raise NotImplementedError
