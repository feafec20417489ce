"""The viewer's own rendition: one segment with a visible mark of his pseudonym that moves over the picture."""

import asyncio
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import ffmpeg

from consumers.transcoding.graph import clock, command, fragmented
from consumers.transcoding.package import codecs_of, keep, moved, samples, split
from consumers.transcoding.sandbox import Bounds, Failed, OutOfBounds, Refused, run

FONT: Final = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"
"""From the Debian package fonts-dejavu-core."""
_PRESET: Final = "superfast"
_CRF: Final = 24
_TEXT_CHARACTERS_MAX: Final = 40


@dataclass(frozen=True, kw_only=True)
class Marked:
    """The files made: names in the folder, and the codecs string (RFC 6381). The init segment is the same for all segments and viewers."""

    init: str
    part: str
    size_bytes: int
    codecs: str


async def watermark(
    init: Path,
    part: Path,
    folder: Path,
    *,
    text: str,
    start_s: float,
    frames: int,
    frame_rate: tuple[int, int],
    bits_per_s_max: int = 4_000_000,
) -> Marked:
    """Mark one stored segment (its track's init, and the part); `start_s` is the segment's start in the film.

    Takes under 2 s of one core for 4 s of 720p at 30 frames/s. Raises `sandbox.Failed`.
    """
    whole, words, made = folder / "whole.part", folder / "words.part", folder / "marked.part"
    await asyncio.to_thread(_prepare, init, part, whole, words, text)
    codecs = codecs_of(await asyncio.to_thread(init.read_bytes))
    graph = ffmpeg.output(
        _marked(whole, words, start_s=start_s),
        f"file:{made}",
        **_encoding(frames, Fraction(*frame_rate), bits_per_s_max, codecs),
    )
    seconds = float(frames / Fraction(*frame_rate))
    bounds = Bounds(wall_s=30 + 30 * seconds, cpu_s=round(20 + 15 * seconds), file_bytes=100_000_000, nice=0)
    try:
        await run("ffmpeg", command(graph), reads=[whole, words], writes=folder, bounds=bounds)
    except (Refused, OutOfBounds) as error:
        # The segment is our own: nobody's film is at fault.
        raise Failed(f"a stored segment cannot be marked: {error}") from error
    for file in (whole, words):
        await asyncio.to_thread(file.unlink)
    return await asyncio.to_thread(_kept, made, folder, start_s=start_s, frames=frames, rate=Fraction(*frame_rate))


def _prepare(init: Path, part: Path, whole: Path, words: Path, text: str) -> None:
    whole.write_bytes(init.read_bytes() + part.read_bytes())
    words.write_text("".join(c for c in text if c.isprintable())[:_TEXT_CHARACTERS_MAX])


def _marked(whole: Path, words: Path, *, start_s: float) -> Any:
    """The mark wanders over the whole picture, so that no crop takes it away; it goes on where the last segment left it."""
    at = f"(t+{start_s:.3f})"
    return (
        ffmpeg.input(f"file:{whole}", f="mov", protocol_whitelist="file", codec_whitelist="h264", threads=1)["v:0"]
        .filter("setpts", "N/FRAME_RATE/TB")
        .filter(
            "drawtext",
            textfile=str(words),
            expansion="none",
            fontfile=FONT,
            fontsize="max(14,min(w,h)/22)",
            fontcolor="white@0.55",
            bordercolor="black@0.45",
            borderw=2,
            x=f"(w-tw)*(0.5+0.46*sin({at}*2*PI/29))",
            y=f"(h-th)*(0.5+0.44*cos({at}*2*PI/17))",
        )
    )


def _encoding(frames: int, rate: Fraction, bits_per_s_max: int, codecs: str) -> dict[str, Any]:
    return {
        "frames:v": frames,
        "c:v": "libx264",
        "preset": _PRESET,
        # As the stored rung, so that the playlist's CODECS stay true.
        "profile:v": "high",
        "level": int(codecs[-2:], 16) / 10,
        "crf": _CRF,
        "maxrate": bits_per_s_max,
        "bufsize": 2 * bits_per_s_max,
        "threads": 1,
        "x264-params": "keyint=infinite:min-keyint=100000",
        "fps_mode": "passthrough",
        "video_track_timescale": clock(rate)[0],
        **fragmented(),
        "movflags": "+delay_moov+default_base_moof+frag_keyframe+skip_trailer",
        "bsf:v": "filter_units=remove_types=6",
        "flags:v": "+bitexact",
    }


def _kept(made: Path, folder: Path, *, start_s: float, frames: int, rate: Fraction) -> Marked:
    init, fragments = split(made.read_bytes())
    made.unlink()
    if [samples(fragment) for fragment in fragments] != [frames]:
        raise Failed("a stored segment has other frames than its manifest says")
    first_frame = round(Fraction(start_s) * rate)
    # The number in its header only orders the parts; the clock says where it is shown.
    part = moved(fragments[0], number=first_frame, ticks=first_frame * clock(rate)[1])
    return Marked(
        init=keep(init, folder, suffix=".mp4"),
        part=keep(part, folder, suffix=".m4s"),
        size_bytes=len(part),
        codecs=codecs_of(init),
    )
