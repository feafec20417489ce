"""A finished auction in step with its film, as WebVTT metadata (W3C WebVTT section 4.6): each bid at its moment. Pure.

The moment of a bid is the stream time that its event carries, which is what the bidder was seeing; without one it is the
time since the auction started, since the film's first frame has the date of the start (EXT-X-PROGRAM-DATE-TIME). What
came after the film's end stands at its end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

SHORTEST_S = 0.001
LAST_S = 5.0
"""How long the last cue of an auction without a film is."""


@dataclass(frozen=True)
class Moment:
    """What happened, at `at_s` seconds of the film; `told` is the cue's JSON."""

    at_s: float
    name: str
    told: Mapping[str, Any]


def moment_s(stream_time_s: float | None, since_start_s: float, film_s: float | None) -> float:
    """When in the film something happened, in seconds."""
    at = since_start_s if stream_time_s is None else stream_time_s
    return max(0.0, at if film_s is None else min(at, film_s - SHORTEST_S))


def webvtt(moments: Iterable[Moment], film_s: float | None) -> str:
    """The track: cues in the order of the film, each until the next one begins or the film ends."""
    ordered = sorted(moments, key=lambda one: one.at_s)
    cues = [
        f"{one.name}\n{_time(one.at_s)} --> {_time(_end(ordered, number, film_s))}\n{_json(one.told)}\n"
        for number, one in enumerate(ordered)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _end(ordered: Sequence[Moment], number: int, film_s: float | None) -> float:
    start = ordered[number].at_s
    later = (one.at_s for one in ordered[number + 1 :] if one.at_s > start)
    last = film_s if film_s is not None else start + LAST_S
    return max(start + SHORTEST_S, next(later, last))


def _json(told: Mapping[str, Any]) -> str:
    # One line, without the arrow that would be read as timings.
    return msgspec.json.encode(told).decode().replace("-->", "--\\u003e")


def _time(at_s: float) -> str:
    ms = round(at_s * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
