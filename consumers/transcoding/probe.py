"""The second gate: ffprobe in its sandbox says what is in the file, and the limits say whether we take it."""

import asyncio
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import ffmpeg
import msgspec

from consumers.transcoding.film import Container, Film, Light, Sound
from consumers.transcoding.graph import ERROR_SHARE_MAX, command, fenced
from consumers.transcoding.magic import container_of
from consumers.transcoding.sandbox import Bounds, OutOfBounds, Refused, run
from consumers.transcoding.timing import Timing, timing
from consumers.transcoding.unfit import Unfit

_PICTURES: Final = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})
_SOUNDS: Final = frozenset({"aac", "mp3", "opus", "vorbis"})
_OTHER_SOUNDS: Final = frozenset(
    {*("flac", "ac3", "eac3", "alac", "dca", "truehd", "mlp", "mp2", "mp2float"), *("amrnb", "amrwb", "wmav1", "wmav2")}
)
_BESIDE: Final = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "png", "mjpeg"})
"""Subtitles and covers, which lie beside the picture of a good film."""
_UNLISTED: Final = re.compile(r"Codec \((\w+)\) not on whitelist")
_CODE: Final = re.compile(
    r"<\s*/?\s*(script|iframe|object|embed|svg|img)\b|javascript:|<\?php|\bon(error|load)\s*=", re.I
)
_SIDE_MIN_PX: Final = 16
_TRIED_FRAMES: Final = 12
_SHOWN: Final = (
    "format=start_time,duration:format_tags:chapter_tags:stream_tags"
    ":stream=index,codec_type,codec_name,codec_tag_string,width,height,coded_width,coded_height,sample_aspect_ratio"
    ",pix_fmt,color_range,color_space,color_transfer,avg_frame_rate,r_frame_rate,channels,sample_rate"
    ":stream_disposition=attached_pic:stream_side_data=rotation:packet=stream_index,pts_time,duration_time,flags:packet_side_data=side_data_type"
)


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
    container, size_bytes = await asyncio.to_thread(_outside, source, limits)
    found = await _look(source, container)
    film = film_of(found, container=container, size_bytes=size_bytes, limits=limits)
    await _try_decoding(source, film)
    return film


def _outside(source: Path, limits: Limits) -> tuple[Container, int]:
    size_bytes = source.stat().st_size
    if size_bytes > limits.size_bytes:
        raise Unfit("too_many_bytes")
    return container_of(source), size_bytes


async def _look(source: Path, container: Container, *, beside: str = "") -> dict[str, Any]:
    options = [part for name, value in fenced(container, beside=beside).items() for part in (f"-{name}", str(value))]
    arguments = ["-v", "error", "-hide_banner", *options, "-show_entries", _SHOWN, "-of", "json=compact=1"]
    bounds = Bounds(wall_s=120, cpu_s=60, memory_bytes=2_000_000_000, file_bytes=0)
    try:
        answer, _ = await run("ffprobe", [*arguments, f"file:{source}"], reads=[source], writes=None, bounds=bounds)
    except Refused as refused:
        unlisted = set(_UNLISTED.findall(refused.said))
        if unlisted and unlisted <= _BESIDE and not beside:
            return await _look(source, container, beside="," + ",".join(sorted(unlisted)))
        raise _unreadable(refused.said, unlisted) from refused
    except OutOfBounds as passed:
        if "max_streams" in passed.said:  # ffmpeg says that it has no memory for one more.
            raise Unfit("too_many_streams") from passed
        raise Unfit("too_many_frames" if passed.limit == "answer" else "too_costly", passed.limit) from passed
    try:
        return msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.DecodeError as error:
        # ffprobe prints bytes of the film's text as they are.
        raise Unfit("unreadable", "text that is no text") from error


def _unreadable(said: str, unlisted: set[str]) -> Unfit:
    if any(name.startswith(("pcm_", "adpcm_")) or name in _OTHER_SOUNDS for name in unlisted):
        return Unfit("unsupported_sound", ", ".join(sorted(unlisted)))
    if unlisted:
        return Unfit("unsupported_picture", ", ".join(sorted(unlisted)))
    return Unfit("unreadable", said[-300:])


def film_of(found: dict[str, Any], *, container: Container, size_bytes: int, limits: Limits) -> Film:
    """The facts from what ffprobe shows, held against the limits; raises Unfit."""
    streams = [s for s in found.get("streams", []) if not s.get("disposition", {}).get("attached_pic")]
    _check_words(found)
    if len(found.get("streams", [])) > limits.streams:
        raise Unfit("too_many_streams", str(len(found["streams"])))
    sides = (side for packet in found.get("packets", []) for side in packet.get("side_data_list", ()))
    if any(side.get("side_data_type", "").startswith("Encryption") for side in sides):
        raise Unfit("encrypted")
    picture = _picture(streams)
    width, height = _seen_size(picture, limits)
    times = timing([p for p in found.get("packets", []) if p.get("stream_index") == picture["index"]], picture)
    _check_times(times, limits)
    return Film(
        container=container,
        size_bytes=size_bytes,
        stream=picture["index"],
        codec=picture["codec_name"],
        width=width,
        height=height,
        coded_width=picture["width"],
        coded_height=picture["height"],
        rate_num=times.rate.numerator,
        rate_den=times.rate.denominator,
        start_s=times.start_s,
        duration_s=times.duration_s,
        keyframes_s=times.keyframes_s,
        light=_light(picture),
        matrix=picture.get("color_space", "unknown"),
        full_range=picture.get("color_range") == "pc" or picture.get("pix_fmt", "").startswith("yuvj"),
        sound=_sound(streams, heard={p.get("stream_index") for p in found.get("packets", [])}),
    )


def _picture(streams: list[dict[str, Any]]) -> dict[str, Any]:
    pictures = [stream for stream in streams if stream.get("codec_type") == "video"]
    if not pictures:
        raise Unfit("no_picture")
    known = [stream for stream in pictures if stream.get("codec_name") in _PICTURES]
    if not known:
        raise Unfit("unsupported_picture", str(pictures[0].get("codec_name")))
    return known[0]


def _seen_size(picture: dict[str, Any], limits: Limits) -> tuple[int, int]:
    width, height = picture.get("width", 0), picture.get("height", 0)
    # The decoder knows the size only once it has decoded: ffprobe shows what the container says until then.
    largest = max(width * height, picture.get("coded_width", 0) * picture.get("coded_height", 0))
    if largest > limits.pixels or max(width, height) > 16_384:
        raise Unfit("too_large_picture", f"{width}x{height}")
    if width == 0 or height == 0:
        raise Unfit("unreadable", "no picture size")
    if min(width, height) < _SIDE_MIN_PX:
        raise Unfit("too_small_picture", f"{width}x{height}")
    seen = round(width * _shape(picture.get("sample_aspect_ratio", "1:1")))
    turned = any(abs(int(side.get("rotation", 0))) % 180 == 90 for side in picture.get("side_data_list", []))
    return (height, seen) if turned else (seen, height)


def _shape(ratio: str) -> Fraction:
    """The pixel's width over its height; what cannot be a camera's is taken for square."""
    wide, _, high = ratio.partition(":")
    if not (wide.isdecimal() and high.isdecimal() and int(wide) and int(high)):
        return Fraction(1)
    shape = Fraction(int(wide), int(high))
    return shape if Fraction(1, 4) <= shape <= 4 else Fraction(1)


def _light(picture: dict[str, Any]) -> Light:
    curves: dict[str | None, Light] = {"smpte2084": "pq", "arib-std-b67": "hlg"}
    return curves.get(picture.get("color_transfer"), "sdr")


def _sound(streams: list[dict[str, Any]], *, heard: set[Any]) -> Sound | None:
    # Recorders leave a track without a single packet when the microphone was off.
    sounds = [stream for stream in streams if stream.get("codec_type") == "audio" and stream["index"] in heard]
    known = [s for s in sounds if s.get("codec_name") in _SOUNDS and s.get("channels") and int(s.get("sample_rate", 0))]
    if sounds and not known:
        raise Unfit("unsupported_sound", str(sounds[0].get("codec_name")))
    if not known:
        return None
    taken = known[0]
    return Sound(
        stream=taken["index"], codec=taken["codec_name"], channels=taken["channels"], rate_hz=int(taken["sample_rate"])
    )


def _check_words(found: dict[str, Any]) -> None:
    parts = [found.get("format", {}), *found.get("streams", []), *found.get("chapters", [])]
    if any(_CODE.search(str(word)) for part in parts for word in part.get("tags", {}).values()):
        raise Unfit("hostile_metadata")


def _check_times(times: Timing, limits: Limits) -> None:
    if times.duration_s <= 0:
        raise Unfit("no_duration")
    if times.duration_s > limits.duration_s:
        raise Unfit("too_long", f"{times.duration_s:.0f} s")
    if times.frames > limits.frame_rate * times.duration_s + 5:
        raise Unfit("too_many_frames", f"{times.frames / times.duration_s:.0f} frames/s")


async def _try_decoding(source: Path, film: Film) -> None:
    """Decode the first frames; raises Unfit."""
    read = ffmpeg.input(f"file:{source}", threads=1, **fenced(film.container))
    graph = ffmpeg.output(
        read[str(film.stream)], "-", f="null", **{"frames:v": _TRIED_FRAMES}, max_error_rate=ERROR_SHARE_MAX
    )
    arguments = command(graph)
    bounds = Bounds(wall_s=120, cpu_s=60, file_bytes=0)
    try:
        await run("ffmpeg", arguments, reads=[source], writes=None, bounds=bounds)
    except Refused as refused:
        raise Unfit("damaged", refused.said[-300:]) from refused
    except OutOfBounds as passed:
        raise Unfit("too_costly", passed.limit) from passed
