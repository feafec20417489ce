"""What is known of a film that was found fit: plain facts, kept as JSON by msgspec (`msgspec.json.decode(kept, type=Film)`)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Container = Literal["mp4", "matroska"]
Light = Literal["sdr", "pq", "hlg"]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """The film's sound: the stream that we take of it."""

    stream: int
    codec: str
    channels: int
    rate_hz: int


@dataclass(frozen=True, kw_only=True)
class Film:
    """Facts of a source. Times in seconds of its own clock; sizes in pixels as seen, upright and with square pixels."""

    container: Container
    size_bytes: int
    stream: int
    codec: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rate_num: int
    rate_den: int
    """Frames per second of what is made: the source's own, at most 60."""
    start_s: float
    duration_s: float
    keyframes_s: tuple[float, ...]
    """When the source can be entered, since `start_s`, ascending; the first is 0."""
    light: Light
    matrix: str
    full_range: bool
    sound: Sound | None

    @property
    def frame_rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.rate_num, self.rate_den)

    @property
    def frames(self) -> int:
        """How many frames are made of it: at least one."""
        return max(1, round(Fraction(self.duration_s) * self.frame_rate))
