"""The film's sound as one track: measured first, then brought to one loudness, in pieces of about four seconds."""

import asyncio
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import ffmpeg

from consumers.transcoding.film import Film
from consumers.transcoding.graph import command, fenced, fragmented
from consumers.transcoding.package import Piece, codecs_of, keep, split
from consumers.transcoding.package import samples as packets
from consumers.transcoding.plan import SEGMENT_S, SOUND, SOUND_BITS_PER_S
from consumers.transcoding.sandbox import Bounds, run
from consumers.transcoding.unfit import Unfit

TARGET_LUFS: Final = -16.0
"""Integrated loudness of every film (EBU R 128 measure; the level that AES TD1008 gives for streams)."""
PEAK_MAX: Final = 0.84
"""-1.5 dB of full scale: what the coder adds still fits."""
_RATE_HZ: Final = 48_000
_PACKET: Final = 1024
_GAIN_DB: Final = (-40.0, 20.0)
_SILENCE_LUFS: Final = -60.0
_LOUDNESS: Final = re.compile(r"Integrated loudness:\s+I:\s+(-?[\d.]+|-inf|nan) LUFS")


async def encode_sound(source: Path, folder: Path, *, film: Film, size_bytes_max: int) -> list[Piece]:
    """All pieces of the sound, as long as the picture. Raises Unfit, and what `sandbox.run` does."""
    bounds = Bounds(wall_s=240 + 4 * film.duration_s, cpu_s=round(60 + film.duration_s), file_bytes=size_bytes_max)
    gain_db = await _gain_db(source, film, bounds)
    file = folder / "sound.part"
    graph = ffmpeg.output(
        _heard(source, film)
        .filter("volume", f"{gain_db:.2f}dB")
        .filter("alimiter", limit=PEAK_MAX, level="disabled", attack=5, release=50)
        .filter("apad", whole_dur=f"{film.duration_s:.6f}")
        .filter("atrim", duration=f"{film.duration_s:.6f}"),
        f"file:{file}",
        **{"c:a": "aac", "b:a": SOUND_BITS_PER_S, "ac": 2, "ar": _RATE_HZ, "flags:a": "+bitexact"},
        **fragmented(),
        movflags="+delay_moov+default_base_moof+skip_trailer",
        frag_duration=SEGMENT_S * 1_000_000,
    )
    await run("ffmpeg", command(graph, "-copyts"), reads=[source], writes=folder, bounds=bounds)
    return await asyncio.to_thread(_pieces, file, folder)


def _heard(source: Path, film: Film) -> Any:
    """The sound on the picture's clock: what comes before the first frame is cut, gaps are filled with silence."""
    assert film.sound is not None
    read = ffmpeg.input(f"file:{source}", threads=1, **fenced(film.container))
    return (
        read[str(film.sound.stream)]
        .filter("asetpts", f"PTS-{film.start_s:.6f}/TB")
        .filter("aresample", _RATE_HZ, **{"async": _RATE_HZ, "first_pts": 0})
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
    )


async def _gain_db(source: Path, film: Film, bounds: Bounds) -> float:
    graph = ffmpeg.output(_heard(source, film).filter("ebur128", framelog="verbose"), "-", f="null")
    arguments = command(graph, "-copyts", "-v", "info", "-nostats")
    _, said = await run("ffmpeg", arguments, reads=[source], writes=None, bounds=bounds)
    found = _LOUDNESS.findall(said)
    if not found:
        raise Unfit("damaged", "the sound cannot be measured")
    loudness = float(found[-1])
    if not loudness > _SILENCE_LUFS:  # Silence, or nothing: louder noise is no gain.
        return 0.0
    return min(max(TARGET_LUFS - loudness, _GAIN_DB[0]), _GAIN_DB[1])


def _pieces(file: Path, folder: Path) -> list[Piece]:
    init, fragments = split(file.read_bytes())
    file.unlink()
    if not fragments:
        raise Unfit("damaged", "no sound came out")
    codecs = codecs_of(init)
    name = keep(init, folder, suffix=".mp4")
    pieces = [Piece(track=SOUND, number=None, name=name, size_bytes=len(init), duration_s=0.0, codecs=codecs)]
    for number, fragment in enumerate(fragments):
        seconds = float(Fraction(packets(fragment) * _PACKET, _RATE_HZ))
        name = keep(fragment, folder, suffix=".m4s")
        pieces.append(
            Piece(
                track=SOUND,
                number=number,
                name=name,
                size_bytes=len(fragment),
                duration_s=round(seconds, 6),
                codecs=codecs,
            )
        )
    return pieces
