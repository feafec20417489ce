"""Films for the tests, made by ffmpeg once per run: tiny, and each odd in its own way."""

import functools
import itertools
import subprocess
import tempfile
from pathlib import Path

_FOLDER = tempfile.TemporaryDirectory(prefix="films-", ignore_cleanup_errors=True)
FOLDER = Path(_FOLDER.name)
_NUMBERS = itertools.count()

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s={size}:r={rate}:d={seconds}")
TONE = ("-f", "lavfi", "-i", "sine=440:d={seconds}:r=48000")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")
AAC = ("-c:a", "aac", "-b:a", "48k")


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; fails with what it said."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"


def fresh(ends: str) -> Path:
    """A name that nobody has yet."""
    return FOLDER / f"{next(_NUMBERS)}.{ends}"


@functools.cache
def film(
    *options: str,
    ends: str = "mp4",
    size: str = "128x96",
    rate: str = "25",
    seconds: float = 2,
    sound: bool = True,
    picture: bool = True,
) -> Path:
    """A film with a moving picture and a tone; `options` are ffmpeg's for the output. Made once."""
    fill = {"size": size, "rate": rate, "seconds": str(seconds)}
    inputs = [*(PICTURE if picture else ()), *(TONE if sound else ())]
    kinds = [*(X264 if picture else ()), *(AAC if sound else ())]
    path = fresh(ends)
    ffmpeg(*(part.format(**fill) for part in inputs), *kinds, *options, path)
    return path


@functools.cache
def counting(*options: str, ends: str = "mp4", seconds: float = 14, rate: int = 25) -> Path:
    """A film whose every frame has a brightness of its own: frame n is 20 + 3 * (n mod 70)."""
    path = fresh(ends)
    grey = f"color=gray:s=32x32:r={rate}:d={seconds},geq=lum='20+3*mod(N,70)':cb=128:cr=128"
    ffmpeg("-f", "lavfi", "-i", grey, *X264, "-qp", "8", *options, path)
    return path


def remade(source: Path, *options: str, ends: str = "mp4", before: tuple[str, ...] = ()) -> Path:
    """A film copied, without coding it again, into another container or with other words about it."""
    path = fresh(ends)
    ffmpeg(*before, "-i", source, "-c", "copy", *options, path)
    return path


def brightness(playlist: Path) -> list[float]:
    """The mean luma of every frame, as a player would show them."""
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-allowed_extensions",
        "ALL",
        "-i",
        str(playlist),
        "-vf",
        "scale=2:2",
    ]
    command += ["-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [sum(done.stdout[at : at + 4]) / 4 for at in range(0, len(done.stdout), 6)]


def lying(path: Path) -> set[str]:
    """The names that lie in a folder; of a file its own, if it is there."""
    if path.is_dir():
        return {inside.name for inside in path.iterdir()}
    return {path.name} if path.exists() else set()
