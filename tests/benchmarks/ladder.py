"""P14: a film to all its rungs, beside encoding alone: the same encoder settings fed with raw frames of each rung's size."""

import argparse
import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from consumers.transcoding.encode import encode
from consumers.transcoding.film import Film
from consumers.transcoding.graph import command, encoding
from consumers.transcoding.package import Piece, manifest
from consumers.transcoding.plan import SOUND, Plan, plan
from consumers.transcoding.probe import Limits, probe
from consumers.transcoding.sandbox import has_wall
from consumers.transcoding.shots import stills
from consumers.transcoding.watermark import watermark
from tests.benchmarks import protocol
from tests.benchmarks.protocol import Report, ratios, sides
from tests.benchmarks.usage import peak_rss

PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Taken:
    """What one side took: seconds of processor and of the clock, and when the first rung could be played."""

    cpu_s: float
    wall_s: float
    playable_s: float = 0.0


@contextlib.contextmanager
def processor() -> Iterator[list[float]]:
    """Processor seconds of all that ended within, by whomever it was started; the list gets them at the end."""
    # Behind the wall ffmpeg is nobody's child but init's of its own world: whoever reaps that one learns what it took.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, taken = _used(), [0.0]
    yield taken
    reap()
    taken[0] = _used() - before


def reap() -> None:
    """Take in all that has ended, and wait for what is ending; raises TimeoutError when something goes on: it would count as nothing."""
    until = time.monotonic() + 2
    with contextlib.suppress(ChildProcessError):  # Nobody is left.
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            if time.monotonic() > until:
                raise TimeoutError("a process of the engine goes on")
            time.sleep(0.005)


def _used() -> float:
    both = (resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF))
    return sum(used.ru_utime + used.ru_stime for used in both)


def source(folder: Path, seconds: float) -> Path:
    """A film of 1080p at 30 frames/s as a phone makes it: 8 Mbit/s, reordered frames, a keyframe each second, sound."""
    path = folder / f"source-{seconds:g}.mp4"
    picture = "mandelbrot=s=1920x1080:r=30:maxiter=200"
    made = ffmpeg_run(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "anoisesrc=c=pink:a=0.2", "-t", str(seconds)),
        *("-vf", "noise=alls=5:allf=t", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "8M", "-g", "30"),
        *("-pix_fmt", "yuv420p", "-c:a", "aac", str(path)),
    )
    assert made == 0
    return path


def ffmpeg_run(*arguments: str) -> int:
    """Run it here, without the wall; its exit code."""
    return subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], check=False).returncode


def raw_frames(folder: Path, film: Path, planned: Plan) -> dict[str, Path]:
    """The film's frames in each rung's size, decoded and scaled beforehand."""
    made = {}
    for rung in planned.rungs:
        made[rung.name] = folder / f"{rung.name}.yuv"
        size = f"scale={rung.width}:{rung.height}:flags=bicubic"
        assert ffmpeg_run("-i", str(film), "-vf", size, "-pix_fmt", "yuv420p", str(made[rung.name])) == 0
    return made


async def peer(frames: dict[str, Path], folder: Path, film: Film, planned: Plan) -> Taken:
    """Encode alone: each task's frames of each rung from a raw file, on as many cores."""
    began = time.perf_counter()
    with processor() as cpu:
        free = asyncio.Semaphore(os.cpu_count() or 1)
        jobs = [
            _alone(free, frames[name], folder, film, planned, name, task.first_segment, task.segments)
            for task in planned.tasks
            if task.rungs != (SOUND,)
            for name in task.rungs
        ]
        await asyncio.gather(*jobs)
    return Taken(cpu[0], time.perf_counter() - began)


async def _alone(
    free: asyncio.Semaphore, frames: Path, folder: Path, film: Film, planned: Plan, name: str, first: int, count: int
) -> None:
    rung, segments = planned.rung(name), planned.segments[first : first + count]
    size, rate = f"{rung.width}x{rung.height}", f"{planned.rate_num}/{planned.rate_den}"
    skip = segments[0].first_frame * rung.width * rung.height * 3 // 2
    read = ffmpeg.input(
        f"file:{frames}", f="rawvideo", pix_fmt="yuv420p", s=size, r=rate, skip_initial_bytes=skip, threads=1
    )
    out = ffmpeg.output(read["v:0"], f"file:{folder}/{name}-{first}.mp4", **encoding(rung, film, segments))
    async with free:
        process = await asyncio.create_subprocess_exec("ffmpeg", *command(out))
        assert await process.wait() == 0


async def ours(path: Path, folder: Path) -> tuple[Taken, Film, Plan, list[Piece]]:
    """Everything from the file to manifest and stills, as many tasks at a time as cores, in the plan's order."""
    began, pieces, playable_s = time.perf_counter(), list[Piece](), 0.0
    with processor() as cpu:
        film = await probe(path, Limits())
        planned = plan(film)
        needed = set(planned.playable_after())
        waiting = iter([*planned.tasks[: len(needed)], None, *planned.tasks[len(needed) :]])

        async def core() -> None:
            nonlocal playable_s
            for task in waiting:
                if task is None:
                    await stills(path, folder, film=film)
                    continue
                pieces.extend(await encode(path, folder, film=film, plan=planned, task=task))
                needed.discard(task.name)
                if not needed and not playable_s:
                    manifest(planned, pieces)
                    playable_s = time.perf_counter() - began

        await asyncio.gather(*(core() for _ in range(os.cpu_count() or 1)))
        assert len(manifest(planned, pieces).rungs) == len(planned.rungs)
    return Taken(cpu[0], time.perf_counter() - began, playable_s), film, planned, pieces


async def marks(report: Report, folder: Path, film: Film, planned: Plan, pieces: list[Piece]) -> None:
    """How long the mark of one segment of 720p takes, one at a time."""
    rung = next(rung for rung in manifest(planned, pieces).rungs if rung.name == "720p")
    walls, cpus = [], []
    for segment, part in list(zip(planned.segments, rung.parts, strict=True))[:5]:
        began = time.perf_counter()
        with processor() as cpu:
            await watermark(
                folder / rung.init,
                folder / part.name,
                folder,
                text="viewer-7f3a",
                start_s=planned.start_s(segment),
                frames=segment.frames,
                frame_rate=(film.rate_num, film.rate_den),
            )
        walls.append(time.perf_counter() - began)
        cpus.append(cpu[0])
    report.figure("P14", "a segment of 720p marked, wall", walls, unit="s", at_most=2.0)
    report.figure("P14", "the same, CPU", cpus, unit="s")


async def run(report: Report) -> None:
    """Rounds of both sides on one film; then a longer one, for memory."""
    asked = report.options
    report.note(f"bubblewrap: {'yes' if has_wall() else 'NO'}; a film of {asked.seconds:g} s of 1080p at 30 frames/s")
    folder = Path(tempfile.mkdtemp(prefix="ladder-", dir=asked.folder or None))
    try:
        await _measure(report, folder)
    finally:
        shutil.rmtree(folder)


async def _measure(report: Report, folder: Path) -> None:
    asked = report.options
    path = source(folder, asked.seconds)
    film = await probe(path, Limits())
    planned = plan(film)
    frames = raw_frames(folder, path, planned)
    sides_of: dict[str, list[Taken]] = {"peer": [], "ours": []}
    pieces: list[Piece] = []
    out = folder / "out"
    out.mkdir()
    for number in range(asked.rounds):
        for side in sides(number):
            if side == "peer":
                taken = await peer(frames, out, film, planned)
            else:
                taken, film, planned, pieces = await ours(path, out)
            sides_of[side].append(taken)
            report.keep(side, vars(taken))
            report.say(f"round {number + 1}, {side}: CPU {taken.cpu_s:.1f} s, wall {taken.wall_s:.1f} s")
    mine, others = sides_of["ours"], sides_of["peer"]
    cores = os.cpu_count() or 1
    cpu = ratios([one.cpu_s for one in mine], [one.cpu_s for one in others])
    report.figure("P14", "CPU over encoding alone from raw frames", cpu, at_most=1.15)
    report.figure("P14", "wall x cores / CPU", [one.wall_s * cores / one.cpu_s for one in mine], at_most=1.2)
    spread = ratios([one.wall_s / one.cpu_s for one in mine], [one.wall_s / one.cpu_s for one in others])
    report.figure("P14", "the same over that of encoding alone, which shares the machine's noise", spread)
    report.figure(
        "P14", "lowest rung playable, of the whole", [one.playable_s / one.wall_s for one in mine], at_most=0.2
    )
    report.figure("P14", "CPU per second of film", [one.cpu_s / asked.seconds for one in mine], unit="s")
    await marks(report, out, film, planned, pieces)
    await _memory(report, folder)


async def _memory(report: Report, folder: Path) -> None:
    """A film many times as long takes no more memory."""
    asked = report.options
    short, long, listed = folder / f"source-{asked.seconds:g}.mp4", folder / "long.mp4", folder / "list.txt"
    listed.write_text(f"file '{short.name}'\n" * round(asked.long / asked.seconds))
    assert ffmpeg_run("-f", "concat", "-i", str(listed), "-c", "copy", str(long)) == 0
    usual, large = await asyncio.to_thread(_largest, short), await asyncio.to_thread(_largest, long)
    for who, of_short, of_long in zip(("largest ffmpeg", "the runner itself"), usual, large, strict=True):
        report.figure("P14", f"{who}, a film of {asked.seconds:g} s", [of_short / 1e6], unit="MB")
        report.figure("P14", f"{who}, a film of {asked.long:g} s", [of_long / 1e6], unit="MB")
    both = f"runner and ffmpeg, a film of {asked.long:g} s over one of {asked.seconds:g} s"
    report.figure("P14", both, [sum(large) / sum(usual)], at_most=1.1)


def _largest(path: Path) -> tuple[int, int]:
    """The most memory in bytes that an ffmpeg of the engine took, and that the process took that ran them."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_worked_on, path).result()


def _worked_on(path: Path) -> tuple[int, int]:
    async def work(out: Path) -> None:
        film = await probe(path, Limits(duration_s=3_600))
        planned = plan(film)
        await stills(path, out, film=film)
        # The sound; the first, a middle and the last task of each kind.
        chosen = [planned.tasks[0]]
        for word in ("first", "rest"):
            tasks = [task for task in planned.tasks if task.name.startswith(word)]
            chosen += {task.name: task for task in (tasks[0], tasks[len(tasks) // 2], tasks[-1])}.values()
        for task in chosen:
            await encode(path, out, film=film, plan=planned, task=task)

    with tempfile.TemporaryDirectory(dir=path.parent) as out, processor():
        asyncio.run(work(Path(out)))
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, peak_rss()


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("ladder", asked, run)


if __name__ == "__main__":
    sys.exit(
        main(
            protocol.options(
                "ladder",
                __doc__,
                rounds=2,
                seconds=12,
                long=(600.0, "seconds of the long film, for memory"),
                folder=("", "where files of some GB lie while it runs; memory is best"),
            )
        )
    )
