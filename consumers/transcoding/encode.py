"""Tasks of a plan done by ffmpeg in its sandbox: segments of every rung, and the sound."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from consumers.transcoding.film import Film
from consumers.transcoding.graph import clock, picture_arguments
from consumers.transcoding.package import Piece, codecs_of, keep, moved, samples, split
from consumers.transcoding.plan import SOUND, Plan, Rung, Segment, Task
from consumers.transcoding.sandbox import Bounds, OutOfBounds, Refused, run
from consumers.transcoding.sound import encode_sound
from consumers.transcoding.unfit import Unfit

_SLOWEST: Final = 40
"""Seconds of one core that a second of film at 30 frames/s may take at most."""


async def encode(source: Path, folder: Path, *, film: Film, plan: Plan, task: Task) -> list[Piece]:
    """Do one task: leaves files named `piece.name` in `folder` (which must exist) and says what they are.

    The same task gives the same bytes with the same build of ffmpeg. One thread, one core. Raises Unfit `damaged` or
    `too_costly` when the film is at fault, `sandbox.Failed` when the machine is (no space, killed): try again.
    When cancelled it kills its ffmpeg first.
    """
    try:
        if task.rungs == (SOUND,):
            pieces = await encode_sound(source, folder, film=film, size_bytes_max=task.size_bytes_max)
        else:
            pieces = await _encode_picture(source, folder, film, plan, task)
    except Refused as refused:
        raise Unfit("damaged", refused.said[-300:]) from refused
    except OutOfBounds as passed:
        raise Unfit("too_costly", passed.limit) from passed
    if sum(piece.size_bytes for piece in pieces) > task.size_bytes_max:
        raise Unfit("too_costly", "more bytes than planned")
    return pieces


async def _encode_picture(source: Path, folder: Path, film: Film, plan: Plan, task: Task) -> list[Piece]:
    segments = plan.of(task)
    rungs = [plan.rung(name) for name in task.rungs]
    files = {rung.name: folder / f"{task.name}-{rung.name}.part" for rung in rungs}
    arguments = picture_arguments(source, files, film=film, rungs=rungs, segments=segments)
    await run("ffmpeg", arguments, reads=[source], writes=folder, bounds=_bounds(film, task, segments))
    return await asyncio.to_thread(_all_pieces, files, folder, plan, segments)


def _bounds(film: Film, task: Task, segments: Sequence[Segment]) -> Bounds:
    first, last = segments[0], segments[-1]
    seconds = float((last.first_frame + last.frames - first.first_frame) / film.frame_rate)
    # Where the source cannot be entered just there, all since its last keyframe is decoded.
    entered_s = max(at for at in film.keyframes_s if at <= first.first_frame / film.frame_rate + 0.5)
    run_up_s = max(0.0, float(first.first_frame / film.frame_rate) - entered_s)
    cpu_s = round(60 + _SLOWEST * (seconds + run_up_s / 4) * max(1.0, float(film.frame_rate) / 30))
    return Bounds(
        wall_s=4.0 * cpu_s, cpu_s=cpu_s, memory_bytes=4_000_000_000, file_bytes=task.size_bytes_max // len(task.rungs)
    )


def _all_pieces(files: dict[str, Path], folder: Path, plan: Plan, segments: Sequence[Segment]) -> list[Piece]:
    pieces = []
    for name, file in files.items():
        made = file.read_bytes()
        file.unlink()  # Before its pieces are written: the disk holds each byte once.
        pieces += _pieces(made, folder, plan=plan, rung=plan.rung(name), segments=segments)
    return pieces


def _pieces(made: bytes, folder: Path, *, plan: Plan, rung: Rung, segments: Sequence[Segment]) -> list[Piece]:
    init, fragments = split(made)
    if [samples(fragment) for fragment in fragments] != [segment.frames for segment in segments]:
        raise Unfit("damaged", f"{rung.name}: fragments of {[samples(fragment) for fragment in fragments]} frames")
    codecs = codecs_of(init)
    name = keep(init, folder, suffix=".mp4")
    pieces = [Piece(track=rung.name, number=None, name=name, size_bytes=len(init), duration_s=0.0, codecs=codecs)]
    earlier = segments[0].first_frame * clock(plan.frame_rate)[1]
    for segment, fragment in zip(segments, fragments, strict=True):
        content = moved(fragment, number=segment.number, ticks=earlier)
        pieces.append(
            Piece(
                track=rung.name,
                number=segment.number,
                name=keep(content, folder, suffix=".m4s"),
                size_bytes=len(content),
                duration_s=round(plan.duration_s(segment), 6),
                codecs=codecs,
            )
        )
    return pieces
