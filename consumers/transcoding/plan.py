"""What is made of a film: rungs, segments and tasks. Pure: the same facts give the same plan, on every machine."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from consumers.transcoding.film import Film

SOUND: Final = "sound"
"""The name that stands where a rung's name stands, for the sound's track."""

LADDER: Final = (("360p", 360, 800_000), ("480p", 480, 1_400_000), ("720p", 720, 3_000_000), ("1080p", 1080, 5_500_000))
"""Name, the shorter side of a 16:9 box in pixels, the highest rate in bits/s up to 30 frames/s; lowest first."""
FAST_FACTOR: Final = 1.4
"""How much higher rates are above 30 frames/s."""
SOUND_BITS_PER_S: Final = 128_000
SEGMENT_S: Final = 4
_SEGMENT_MIN_S: Final = 2
_SEGMENT_MAX_S: Final = 6
_LAST_MIN_S: Final = 1.5
_SAME_SIZE: Final = 1.1
_LOWEST_TASK_S: Final = 8
_TASK_MAX_S: Final = 24


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
    """What it can take on the disk at most, at any moment; enforced: each rung's file gets an equal share as its limit."""


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

    def rung(self, name: str) -> Rung:
        """The rung of a name; raises KeyError."""
        return {rung.name: rung for rung in self.rungs}[name]

    def of(self, task: Task) -> tuple[Segment, ...]:
        """The segments of a task."""
        return self.segments[task.first_segment : task.first_segment + task.segments]

    def playable_after(self) -> frozenset[str]:
        """Names of the tasks after which the lowest rung can be played with its sound."""
        lowest = self.rungs[0].name
        return frozenset(task.name for task in self.tasks if task.rungs == (SOUND,) or lowest in task.rungs)


def plan(film: Film) -> Plan:
    """The plan for a film; never raises for a Film that `probe` gave."""
    rungs = ladder(film)
    segments = cut(film)
    return Plan(
        rate_num=film.rate_num,
        rate_den=film.rate_den,
        rungs=rungs,
        segments=segments,
        tasks=tuple(_tasks(film, rungs, segments)),
    )


def ladder(film: Film) -> tuple[Rung, ...]:
    """The rungs whose 16:9 box (turned for portrait) is smaller than the film, and the film's own size; never upscaled."""
    faster = FAST_FACTOR if film.frame_rate > 30 else 1.0
    rungs = []
    for name, side, bits_per_s in LADDER:
        scale = min(1.0, _fit(film, side))
        size = _even(film.width, scale), _even(film.height, scale)
        rungs.append(Rung(name=name, width=size[0], height=size[1], bits_per_s_max=round(bits_per_s * faster)))
        if scale == 1.0:
            break
    if len(rungs) > 1 and _fit(film, LADDER[len(rungs) - 2][1]) * _SAME_SIZE > 1:
        rungs.pop()  # Hardly larger than the rung below: nobody would see a difference.
    return tuple(rungs)


def _fit(film: Film, side: int) -> float:
    """By how much the film is scaled to fit into a rung's box."""
    return min(side * 16 / 9 / max(film.width, film.height), side / min(film.width, film.height))


def _even(pixels: int, scale: float) -> int:
    return max(2, min(2 * round(pixels * scale / 2), pixels // 2 * 2))


def cut(film: Film) -> tuple[Segment, ...]:
    """Segments of about 4 s that start where the source can be entered, where it has such places 2 to 6 s on."""
    rate, frames = film.frame_rate, film.frames
    entries = sorted({round(Fraction(at) * rate) for at in film.keyframes_s})
    starts = [0]
    while frames - starts[-1] > rate * (SEGMENT_S + _LAST_MIN_S):
        starts.append(_next_start(starts[-1], entries, rate))
    if len(starts) > 1 and frames - starts[-1] < rate * _LAST_MIN_S:
        starts.pop()
    return tuple(
        Segment(number=number, first_frame=first, frames=after - first)
        for number, (first, after) in enumerate(pairwise([*starts, frames]))
    )


def _next_start(start: int, entries: list[int], rate: Fraction) -> int:
    usual = start + round(SEGMENT_S * rate)
    earliest, latest = start + math.ceil(_SEGMENT_MIN_S * rate), start + math.floor(_SEGMENT_MAX_S * rate)
    near = entries[bisect_left(entries, earliest) : bisect_left(entries, latest + 1)]
    return min(near, key=lambda entry: abs(entry - usual), default=usual)


def _tasks(film: Film, rungs: tuple[Rung, ...], segments: tuple[Segment, ...]) -> Iterator[Task]:
    if film.sound:
        size = _bytes_max(SOUND_BITS_PER_S, float(film.duration_s))
        yield Task(name=SOUND, rungs=(SOUND,), first_segment=0, segments=len(segments), size_bytes_max=size)
    lowest, others = rungs[:1], rungs[1:]
    yield from _spread(film, "first", lowest, segments, at_least_s=_LOWEST_TASK_S if others else SEGMENT_S)
    if others:
        yield from _spread(film, "rest", others, segments, at_least_s=SEGMENT_S)


def _spread(
    film: Film, word: str, rungs: tuple[Rung, ...], segments: tuple[Segment, ...], *, at_least_s: float
) -> Iterator[Task]:
    """Tasks for all segments: each begins where the source can be entered, unless it would become too long."""
    entries = {round(Fraction(at) * film.frame_rate) for at in film.keyframes_s}
    highest = max(rung.bits_per_s_max for rung in rungs)
    first, length_s = 0, 0.0
    for segment in segments:
        length_s += float(segment.frames / film.frame_rate)
        after = segment.number + 1
        at_entry = after == len(segments) or segments[after].first_frame in entries
        full = length_s > at_least_s - _SEGMENT_MIN_S and at_entry
        if after == len(segments) or full or length_s >= _TASK_MAX_S:
            yield Task(
                name=f"{word}-{first:04d}",
                rungs=tuple(rung.name for rung in rungs),
                first_segment=first,
                segments=after - first,
                size_bytes_max=len(rungs) * _bytes_max(highest, length_s),
            )
            first, length_s = after, 0.0


def _bytes_max(bits_per_s: float, length_s: float) -> int:
    # The encoder's buffer may be emptied once beyond the rate; boxes and short films need some room of their own.
    return round(bits_per_s / 8 * (length_s + 4) * 1.3) + 1_000_000
