"""Still pictures of a film: poster, thumbnails, and the storyboard with its WebVTT."""

from dataclasses import dataclass
from pathlib import Path

from consumers.transcoding.film import Film


@dataclass(frozen=True, kw_only=True)
class Still:
    """One JPEG: `role` is poster, thumbnail or storyboard."""

    role: str
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


async def stills(source: Path, folder: Path, *, film: Film) -> Stills:
    """Make them: leaves files named `still.name` in `folder`. Raises as `encode`."""
    raise NotImplementedError


def storyboard_vtt(made: Stills, *, address: dict[str, str]) -> str:
    """The WebVTT of the storyboard (`address#xywh=x,y,w,h`); `address` maps sheet names to addresses."""
    raise NotImplementedError
