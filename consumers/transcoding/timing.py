"""When a film's frames are: its length, its frame rate and where it can be entered, from the times of its packets."""

import statistics
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from consumers.transcoding.unfit import Unfit

_USUAL_RATES: Final = tuple(
    Fraction(rate) for rate in ("24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)
_RATE_MAX: Final = Fraction(60)
_RATE_MIN: Final = Fraction(10)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds; `rate` is what is made (10 to 60 frames/s), `frames` what the source has, `keyframes_s` count from `start_s`."""

    start_s: float
    duration_s: float
    frames: int
    keyframes_s: tuple[float, ...]
    rate: Fraction


def timing(packets: list[dict[str, Any]], stream: dict[str, Any]) -> Timing:
    """The timing from ffprobe's packets of the picture; raises Unfit `no_duration` or `unreadable`."""
    shown = sorted(
        (float(p["pts_time"]), "K" in p.get("flags", ""), float(p.get("duration_time", 0)))
        for p in packets
        if "pts_time" in p and "D" not in p.get("flags", "")
    )
    if not shown:
        raise Unfit("no_duration", "no frames")
    keys = [at for at, key, _ in shown if key]
    # A film that was trimmed on a phone begins between keyframes: the one before is there, to be decoded but not shown.
    run_up = any("D" in p.get("flags", "") and "K" in p.get("flags", "") for p in packets)
    if not keys and not run_up:
        raise Unfit("unreadable", "no keyframe")
    start_s = shown[0][0] if run_up or shown[0][1] else keys[0]
    times = [at for at, _, _ in shown if at >= start_s]
    steps = [after - before for before, after in pairwise(times) if after > before]
    said = _fraction(stream.get("avg_frame_rate"))
    step_s = statistics.median(steps) if steps else shown[-1][2] or (float(1 / said) if said else 0.0)
    last_s = shown[-1][2] if 0 < shown[-1][2] <= 10 * step_s else step_s
    duration_s = times[-1] - start_s + last_s
    if step_s <= 0 or duration_s <= 0 or (len(times) > 1 and not steps):
        raise Unfit("no_duration", "all frames at one moment")
    return Timing(
        start_s=start_s,
        duration_s=round(duration_s, 6),
        frames=len(times),
        keyframes_s=tuple(sorted({0.0, *(round(at - start_s, 6) for at in keys if at > start_s)})),
        rate=made_rate(step_s, said),
    )


def made_rate(step_s: float, said: Fraction | None) -> Fraction:
    """The frame rate to make from the usual distance of two frames, and what the file says of itself.

    Kept where it is 60 or less; halved until it is. Slow films are doubled up to 10, so that they can be cut.
    """
    measured = Fraction(step_s).limit_denominator(100_000)
    rate = said if said and abs(float(said) * step_s - 1) < 0.02 else 1 / measured
    rate = next((usual for usual in _USUAL_RATES if abs(float(rate / usual) - 1) < 0.0004), rate)
    while rate > _RATE_MAX:
        rate /= 2
    while rate < _RATE_MIN:
        rate *= 2
    nearest = min(_USUAL_RATES, key=lambda usual: abs(usual - rate))
    rate = nearest if abs(float(rate / nearest) - 1) < 0.015 and rate.denominator not in (1, 1001) else rate
    return rate.limit_denominator(1001)


def _fraction(text: str | None) -> Fraction | None:
    above, _, below = (text or "").partition("/")
    if above.isdecimal() and below.isdecimal() and int(above) and int(below):
        return Fraction(int(above), int(below))
    return None
