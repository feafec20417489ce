"""What is made of a film: rungs, segments and tasks. Pure: the same facts give the same plan, on every machine."""

from dataclasses import dataclass
from fractions import Fraction

from consumers.transcoding.film import Film

SOUND = "sound"
"""The name that stands where a rung's name stands, for the sound's track."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One quality: its name (`720p`), its size in pixels (even), its highest rate."""

    name: str
    width: int
    height: int
    bits_per_s_max: int


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of the film that starts with a keyframe in every rung. Frames count from the film's first."""

    number: int
    first_frame: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one job encodes: some rungs of some consecutive segments, read from the source once. Name is unique in the plan."""

    name: str
    rungs: tuple[str, ...]
    """(SOUND,) alone is the sound of the whole film."""
    first_segment: int
    segments: int
    size_bytes_max: int
    """What its results can take on the disk at most; enforced."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Rungs lowest first; tasks in the order in which they are to be claimed (sound, lowest rung, then the others)."""

    rate_num: int
    rate_den: int
    rungs: tuple[Rung, ...]
    segments: tuple[Segment, ...]
    tasks: tuple[Task, ...]

    @property
    def frame_rate(self) -> Fraction:
        """Frames per second of every rung."""
        return Fraction(self.rate_num, self.rate_den)

    def start_s(self, segment: Segment) -> float:
        """When a segment starts, in seconds since the film's start."""
        return float(segment.first_frame / self.frame_rate)

    def duration_s(self, segment: Segment) -> float:
        """How long a segment lasts, in seconds."""
        return float(segment.frames / self.frame_rate)

    def playable_after(self) -> frozenset[str]:
        """Names of the tasks after which the lowest rung can be played with its sound."""
        lowest = self.rungs[0].name
        return frozenset(task.name for task in self.tasks if task.rungs == (SOUND,) or lowest in task.rungs)


def plan(film: Film) -> Plan:
    """The plan for a film; never raises for a Film that `probe` gave."""
    raise NotImplementedError
