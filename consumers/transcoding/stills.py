"""Still pictures of a film, as stored: poster, thumbnails, and the storyboard with its WebVTT. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["poster", "thumbnail", "storyboard"]


@dataclass(frozen=True, kw_only=True)
class Still:
    """One JPEG: its sizes in pixels."""

    role: Role
    name: str
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A moment of the film on a storyboard sheet; times in seconds, the place in pixels."""

    start_s: float
    end_s: float
    sheet: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Stills:
    """One poster, thumbnails (small to large), storyboard sheets in order and their tiles."""

    pictures: tuple[Still, ...]
    tiles: tuple[Tile, ...]


def storyboard_vtt(made: Stills, *, address: Mapping[str, str]) -> str:
    """The WebVTT of the storyboard (`address#xywh=x,y,w,h`); `address` maps sheet names to addresses."""
    cues = [
        f"{_moment(tile.start_s)} --> {_moment(tile.end_s)}\n"
        f"{address[tile.sheet]}#xywh={tile.x},{tile.y},{tile.width},{tile.height}\n"
        for tile in made.tiles
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _moment(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
