"""ffmpeg and ffprobe behind a wall: no network, one input, one output folder, bounded time, memory and disk."""

import asyncio
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

log = structlog.get_logger("sandbox")

Tool = Literal["ffmpeg", "ffprobe"]

_CAUGHT_A_SIGNAL: Final = 255
_SAID_BYTES_MAX: Final = 32_768
_CRASHES: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS}
)
_WALL: Final = (
    *("--die-with-parent", "--unshare-all", "--clearenv", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534"),
    *("--hostname", "none", "--chdir", "/", "--setenv", "LC_ALL", "C"),
    *("--ro-bind", "/usr", "/usr", "--ro-bind-try", "/lib", "/lib", "--ro-bind-try", "/lib64", "/lib64"),
    *(
        "--ro-bind-try",
        "/etc/alternatives",
        "/etc/alternatives",
        "--ro-bind-try",
        "/etc/ld.so.cache",
        "/etc/ld.so.cache",
    ),
    *("--dev", "/dev", "--size", "16777216", "--tmpfs", "/tmp"),  # noqa: S108 - a folder of its own inside the wall
)


class Failed(Exception):
    """The machine could not do it (killed, no space, no ffmpeg); the file may be good: try again."""


class Refused(Exception):
    """The program ended with an error of its own; `said` are its last lines."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"exit {code}: {said[-300:]}")
        self.code = code
        self.said = said


class OutOfBounds(Exception):
    """The program was killed since it passed a limit (`wall`, `cpu`, `memory`, `disk`, `answer`)."""

    def __init__(self, limit: str, said: str = "") -> None:
        super().__init__(limit)
        self.limit = limit
        self.said = said


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one run may take at most; `file_bytes` is per file that it writes."""

    wall_s: float
    cpu_s: int
    memory_bytes: int = 3_000_000_000
    file_bytes: int = 1_000_000_000
    answer_bytes: int = 32_000_000
    nice: int = 10
    """Viewers who wait come before films that are made."""


async def run(
    tool: Tool, arguments: Sequence[str], *, reads: Sequence[Path], writes: Path | None, bounds: Bounds
) -> tuple[bytes, str]:
    """Run the tool; returns what it answered (stdout) and the last of what it said (stderr).

    `reads` are the only files it sees, `writes` the only folder that it can write to. Raises Failed, Refused,
    OutOfBounds. Nothing of it is left running, also when the caller is cancelled or killed.
    """
    around = await asyncio.to_thread(_wall, reads, writes, tool)
    command = [*_limits(bounds), *around, _binary(tool), *arguments]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )
    except OSError as error:
        raise Failed(f"{tool} does not start: {error}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    answered = asyncio.create_task(_answer(process.stdout, bounds.answer_bytes))
    last = asyncio.create_task(_last(process.stderr))
    try:
        async with asyncio.timeout(bounds.wall_s):
            answer, said = await asyncio.gather(answered, last)
            code = await process.wait()
    except TimeoutError:
        raise OutOfBounds("wall") from None
    finally:
        # The group holds all that it started; behind the wall the rest dies with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        answered.cancel()
        last.cancel()
        await asyncio.wait([answered, last])
        # asyncio takes a process for ended once its pipes are read to their end, and a full one it reads no further.
        await process.communicate()
    if code != 0:
        raise _meaning(code, said)
    return answer, said


def _limits(bounds: Bounds) -> list[str]:
    # Set by a program of its own, before anything of ours or the film's runs in the child.
    return [
        *("/usr/bin/prlimit", f"--as={bounds.memory_bytes}", f"--cpu={bounds.cpu_s}:{bounds.cpu_s + 5}"),
        *(f"--fsize={bounds.file_bytes}", "--core=0", "--nofile=256", "--"),
        *("/usr/bin/setpriv", "--pdeathsig", "KILL", "--no-new-privs", "/usr/bin/nice", "-n", str(bounds.nice)),
    ]


def _wall(reads: Sequence[Path], writes: Path | None, tool: Tool) -> list[str]:
    if not has_wall():
        return []
    own = Path(_binary(tool)).resolve().parent
    return [
        "bwrap",
        *_WALL,
        *([] if own.is_relative_to("/usr") else ["--ro-bind", str(own), str(own)]),
        *(part for path in reads for part in ("--ro-bind", str(path), str(path))),
        *(["--bind", str(writes), str(writes)] if writes else []),
        *("--remount-ro", "/"),
        "--",
    ]


@functools.cache
def has_wall() -> bool:
    """Whether bubblewrap works here; where it does not, limits and whitelists stand alone, and the log says so once."""
    if shutil.which("bwrap"):
        command = ["bwrap", *_WALL, "--", "/usr/bin/env", "true"]
        tried = subprocess.run(command, capture_output=True, check=False, timeout=20)  # noqa: S603 - a list of our own
        if tried.returncode == 0:
            return True
    log.warning("no bubblewrap here: ffmpeg runs with limits and whitelists only")
    return False


@functools.cache
def _binary(tool: Tool) -> str:
    found = os.environ.get(f"{tool.upper()}_BIN") or shutil.which(tool)
    if not found:
        raise Failed(f"{tool} is not installed")
    return found


async def _answer(stream: asyncio.StreamReader, bytes_max: int) -> bytes:
    parts, size = [], 0
    while part := await stream.read(65_536):
        size += len(part)
        if size > bytes_max:
            raise OutOfBounds("answer")
        parts.append(part)
    return b"".join(parts)


async def _last(stream: asyncio.StreamReader) -> str:
    said = b""
    while part := await stream.read(65_536):
        said = (said + part)[-_SAID_BYTES_MAX:]
    return said.decode(errors="replace")


def _meaning(code: int, said: str) -> Exception:
    died_of = -code if code < 0 else code - 128 if code > 128 else 0
    # ffmpeg catches SIGXCPU, and nothing else that it would end with 255 for is ever sent to it.
    if died_of == signal.SIGXCPU or code == _CAUGHT_A_SIGNAL:
        return OutOfBounds("cpu")
    if died_of == signal.SIGXFSZ or "File too large" in said:
        return OutOfBounds("disk")
    if "Cannot allocate memory" in said or "cannot map zero-fill pages" in said:
        return OutOfBounds("memory", said)
    if "No space left" in said or died_of in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        return Failed(f"stopped (exit {code}): {said[-200:]}")
    if died_of in _CRASHES:
        return Refused(code, f"crashed with signal {died_of}. {said}")
    return Refused(code, said)
