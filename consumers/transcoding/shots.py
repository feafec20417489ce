"""Making still pictures of a film with ffmpeg: the poster from the most telling frame, the storyboard from keyframes."""

import asyncio
import math
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import ffmpeg

from consumers.transcoding.film import Film
from consumers.transcoding.graph import command, fenced, fitted
from consumers.transcoding.package import keep
from consumers.transcoding.sandbox import Bounds, Failed, OutOfBounds, Refused, run
from consumers.transcoding.stills import Role, Still, Stills, Tile
from consumers.transcoding.unfit import Unfit

_SIZES: Final[tuple[tuple[int, Role], ...]] = ((320, "thumbnail"), (640, "thumbnail"), (1280, "poster"))
"""The longer side in pixels, small to large."""
_TILE_PX: Final = 160
_SHEET_SIDE: Final = 5
_TILES_MAX: Final = 100
_TILE_S_MIN: Final = 2.0
_CANDIDATES: Final = 12
_POSTER_AT: Final = 0.1
"""Where in the film the search for the poster begins: films start with black, or with a finger."""
_ONLY_KEYFRAMES: Final = {"discard": "nokey", "skip_frame": "nokey"}


async def stills(source: Path, folder: Path, *, film: Film) -> Stills:
    """Make them: leaves files named `still.name` in `folder`. Raises as `encode`."""
    try:
        posters = await _posters(source, folder, film)
        sheets, tiles = await _storyboard(source, folder, film)
    except Refused as refused:
        raise Unfit("damaged", refused.said[-300:]) from refused
    except OutOfBounds as passed:
        raise Unfit("too_costly", passed.limit) from passed
    return Stills(pictures=(*posters, *sheets), tiles=tiles)


async def _posters(source: Path, folder: Path, film: Film) -> list[Still]:
    """The most telling of some keyframes, in all sizes that are not larger than the film."""
    sizes = {_size(film, longer): role for longer, role in _SIZES}
    largest = max(sizes)
    # At a keyframe, so that there is a frame in any case: a still film may have none for a long time.
    from_s = max(at for at in film.keyframes_s if at <= film.duration_s * _POSTER_AT)
    many = sum(at >= from_s for at in film.keyframes_s) >= 4
    where = {"seek_timestamp": 1, "ss": f"{film.start_s + from_s:.6f}"} if from_s > 0 else {}
    read = ffmpeg.input(
        f"file:{source}",
        threads=1,
        **where,
        **(_ONLY_KEYFRAMES if many else {"t": 4}),
        **fenced(film.container),
    )
    best = (
        fitted(read[str(film.stream)], film, *largest)
        .filter("thumbnail", n=_CANDIDATES if many else 60)
        .filter("setpts", 0)
    )
    copies = best.filter_multi_output("split", len(sizes))
    files = {size: folder / f"poster-{size[0]}.part" for size in sizes}
    outputs = [
        _jpeg(copies[number].filter("scale", *size, flags="bicubic", out_range="pc"), files[size])
        for number, size in enumerate(sizes)
    ]
    arguments = command(ffmpeg.merge_outputs(*outputs))
    await run("ffmpeg", arguments, reads=[source], writes=folder, bounds=_bounds(film))
    return [await asyncio.to_thread(_still, files[size], folder, sizes[size], size) for size in sorted(sizes)]


async def _storyboard(source: Path, folder: Path, film: Film) -> tuple[list[Still], tuple[Tile, ...]]:
    every_s = max(_TILE_S_MIN, film.duration_s / _TILES_MAX)
    count = max(1, math.ceil(film.duration_s / every_s - 0.01))
    columns = min(_SHEET_SIDE, count)
    rows = min(_SHEET_SIDE, math.ceil(count / columns))
    width, height = _size(film, _TILE_PX)
    gaps = [after - before for before, after in pairwise([*film.keyframes_s, film.duration_s])]
    sparse = max(gaps) > 1.5 * every_s
    read = ffmpeg.input(f"file:{source}", threads=1, **({} if sparse else _ONLY_KEYFRAMES), **fenced(film.container))
    tiled = (
        fitted(
            read[str(film.stream)]
            .filter("setpts", f"PTS-{film.start_s:.6f}/TB")
            .filter("fps", f"1/{every_s:.6f}", start_time=0, round="up"),
            film,
            width,
            height,
        )
        .filter("tpad", stop=-1, stop_mode="clone")
        .filter("scale", width, height, out_range="pc")
        .filter("tile", f"{columns}x{rows}")
    )
    sheets = math.ceil(count / (columns * rows))
    graph = _jpeg(tiled, folder / "storyboard-%d.part", count=sheets)
    await run("ffmpeg", command(graph, "-copyts"), reads=[source], writes=folder, bounds=_bounds(film))
    size = columns * width, rows * height
    files = [folder / f"storyboard-{number}.part" for number in range(sheets)]
    made = [await asyncio.to_thread(_still, file, folder, "storyboard", size) for file in files]
    tiles = tuple(
        Tile(
            start_s=round(number * every_s, 3),
            end_s=round(min((number + 1) * every_s, film.duration_s), 3),
            sheet=made[number // (columns * rows)].name,
            x=number % columns * width,
            y=number % (columns * rows) // columns * height,
            width=width,
            height=height,
        )
        for number in range(count)
    )
    return made, tiles


def _size(film: Film, longer: int) -> tuple[int, int]:
    scale = min(1.0, longer / max(film.width, film.height))
    return max(2, int(film.width * scale / 2) * 2), max(2, int(film.height * scale / 2) * 2)


def _jpeg(picture: Any, file: Path, *, count: int | None = None) -> Any:
    return ffmpeg.output(
        picture.filter("format", "yuvj420p"),
        f"file:{file}",
        **{"c:v": "mjpeg", "q:v": 4, "frames:v": count or 1, "flags:v": "+bitexact"},
        f="image2",
        start_number=0,
        update=int(count is None),
        threads=1,
        map_metadata=-1,
        fflags="+bitexact",
    )


def _still(file: Path, folder: Path, role: Role, size: tuple[int, int]) -> Still:
    if not file.exists():
        raise Failed(f"no {role} came out")
    content = file.read_bytes()
    file.unlink()
    name = keep(content, folder, suffix=".jpg")
    return Still(role=role, name=name, width=size[0], height=size[1], size_bytes=len(content))


def _bounds(film: Film) -> Bounds:
    cpu_s = round(60 + 8 * film.duration_s)
    return Bounds(wall_s=4.0 * cpu_s, cpu_s=cpu_s, memory_bytes=4_000_000_000, file_bytes=50_000_000)
