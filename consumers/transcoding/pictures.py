"""Avatars and auction pictures: checked, upright, stripped of all metadata, in a few sizes (JPEG)."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import ffmpeg
import msgspec

from consumers.transcoding.graph import command
from consumers.transcoding.magic import PictureKind, picture_kind_of
from consumers.transcoding.package import keep
from consumers.transcoding.sandbox import Bounds, OutOfBounds, Refused, run
from consumers.transcoding.unfit import Unfit

Use = Literal["avatar", "auction"]
"""An avatar is cut to a square; an auction's picture keeps its shape."""

SIZE_BYTES_MAX: Final = 25_000_000
_PIXELS_MAX: Final = 60_000_000
_SIDE_MIN_PX: Final = 16
_SIZES: Final[dict[Use, tuple[int, ...]]] = {"avatar": (96, 256, 512), "auction": (320, 800, 1600)}
"""The longer side in pixels."""
_BOUNDS: Final = Bounds(wall_s=60, cpu_s=30, memory_bytes=3_000_000_000, file_bytes=20_000_000, answer_bytes=100_000)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One size of a picture: a JPEG named by its content."""

    name: str
    width: int
    height: int
    size_bytes: int


async def pictures(source: Path, folder: Path, *, use: Use) -> tuple[Picture, ...]:
    """Make all sizes, small to large, never larger than the source: leaves files named `picture.name` in `folder`.

    Raises Unfit (`not_a_picture`, `empty`, `too_large_picture`, `too_small_picture`, `too_many_bytes`, `damaged`).
    """
    kind = await asyncio.to_thread(_outside, source)
    try:
        seen = await _seen_size(source, kind)
        return await _made(source, folder, kind, use, seen)
    except Refused as refused:
        raise Unfit("damaged", refused.said[-300:]) from refused
    except OutOfBounds as passed:
        raise Unfit("too_costly", passed.limit) from passed


def _outside(source: Path) -> PictureKind:
    if source.stat().st_size > SIZE_BYTES_MAX:
        raise Unfit("too_many_bytes")
    return picture_kind_of(source)


def _fenced(kind: PictureKind) -> dict[str, Any]:
    return {
        "protocol_whitelist": "file",
        "format_whitelist": f"{kind}_pipe",
        "codec_whitelist": "mjpeg,png,webp",
        "max_pixels": _PIXELS_MAX,
        "f": f"{kind}_pipe",
    }


async def _seen_size(source: Path, kind: PictureKind) -> tuple[int, int]:
    """Width and height as people see it, turned as the camera was held."""
    options = [part for name, value in _fenced(kind).items() for part in (f"-{name}", str(value))]
    shown = "stream=width,height:frame=width,height:frame_side_data=rotation"
    arguments = [*options, "-v", "error", "-show_entries", shown, "-read_intervals", "%+#1", "-of", "json"]
    answer, said = await run("ffprobe", [*arguments, f"file:{source}"], reads=[source], writes=None, bounds=_BOUNDS)
    found = msgspec.json.decode(answer, type=dict[str, Any])
    for of in found.get("streams", []):
        if of.get("width", 0) * of.get("height", 0) > _PIXELS_MAX:
            raise Unfit("too_large_picture", f"{of['width']}x{of['height']}")
    if not found.get("frames"):
        # A size beyond the limit is never taken by the decoder, so that no stream shows it.
        raise Unfit("too_large_picture" if "Picture size" in said else "damaged", said[-200:])
    frame = found["frames"][0]
    if min(frame["width"], frame["height"]) < _SIDE_MIN_PX:
        raise Unfit("too_small_picture", f"{frame['width']}x{frame['height']}")
    turned = any(abs(int(side.get("rotation", 0))) % 180 == 90 for side in frame.get("side_data_list", []))
    return (frame["height"], frame["width"]) if turned else (frame["width"], frame["height"])


async def _made(source: Path, folder: Path, kind: PictureKind, use: Use, seen: tuple[int, int]) -> tuple[Picture, ...]:
    sizes = _sizes(use, seen)
    picture = _on_white(ffmpeg.input(f"file:{source}", threads=1, **_fenced(kind))["v:0"], kind)
    if use == "avatar":
        picture = picture.filter("crop", "min(iw,ih)", "min(iw,ih)")
    copies = picture.filter_multi_output("split", len(sizes))
    files = {size: folder / f"picture-{size[0]}x{size[1]}.part" for size in sizes}
    outputs = [
        ffmpeg.output(
            copies[number].filter("scale", *size, flags="lanczos", out_range="pc").filter("format", "yuvj420p"),
            f"file:{files[size]}",
            **{"c:v": "mjpeg", "q:v": 3, "frames:v": 1, "flags:v": "+bitexact"},
            f="image2",
            update=1,
            threads=1,
            map_metadata=-1,
            fflags="+bitexact",
        )
        for number, size in enumerate(sizes)
    ]
    arguments = command(ffmpeg.merge_outputs(*outputs), "-xerror")
    await run("ffmpeg", arguments, reads=[source], writes=folder, bounds=_BOUNDS)
    return tuple([await asyncio.to_thread(_picture, files[size], folder, size) for size in sizes])


def _sizes(use: Use, seen: tuple[int, int]) -> list[tuple[int, int]]:
    width, height = (min(seen), min(seen)) if use == "avatar" else seen
    longer = max(width, height)
    wanted = sorted({min(side, longer) for side in _SIZES[use]})
    return [(max(1, round(width * side / longer)), max(1, round(height * side / longer))) for side in wanted]


def _on_white(picture: Any, kind: PictureKind) -> Any:
    """What is transparent becomes white: JPEG knows no transparency."""
    if kind == "jpeg":
        return picture
    both = picture.filter("format", "rgba").filter_multi_output("split")
    white = both[0].filter("lutrgb", r=255, g=255, b=255, a=255)
    return ffmpeg.overlay(white, both[1])


def _picture(file: Path, folder: Path, size: tuple[int, int]) -> Picture:
    content = file.read_bytes()
    file.unlink()
    name = keep(content, folder, suffix=".jpg")
    return Picture(name=name, width=size[0], height=size[1], size_bytes=len(content))
