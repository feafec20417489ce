"""The wall around ffmpeg: what a film could make it do, tried by us."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from consumers.transcoding.sandbox import Bounds, OutOfBounds, Refused, has_wall, run
from tests.consumers.transcoding import films
from tests.consumers.transcoding.films import film

BOUNDS = Bounds(wall_s=30, cpu_s=20)
ENDLESS = ("-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x480", "-f", "null", "-")


async def test_it_gives_what_the_tool_answers() -> None:
    answer, _ = await run(
        "ffprobe",
        ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", f"file:{film()}"],
        reads=[film()],
        writes=None,
        bounds=BOUNDS,
    )

    assert float(answer) == pytest.approx(2, abs=0.05)


async def test_no_other_file_can_be_read(tmp_path: Path) -> None:
    assert has_wall()
    other = tmp_path / "other.mp4"
    other.write_bytes(film().read_bytes())

    with pytest.raises(Refused, match="No such file"):
        await run("ffprobe", ["-v", "error", f"file:{other}"], reads=[film()], writes=None, bounds=BOUNDS)


@pytest.mark.parametrize("path", ["/tmp/planted.mp4", "/usr/planted.mp4", "/etc/planted.mp4"])
async def test_nothing_can_be_written_outside_the_folder(path: str, tmp_path: Path) -> None:
    arguments = ["-v", "error", "-i", f"file:{film()}", "-c", "copy", "-y", f"file:{path}"]

    # Its own /tmp is the only other place that it could write to: gone with it.
    if path.startswith("/tmp"):
        await run("ffmpeg", arguments, reads=[film()], writes=tmp_path, bounds=BOUNDS)
    else:
        with pytest.raises(Refused):
            await run("ffmpeg", arguments, reads=[film()], writes=tmp_path, bounds=BOUNDS)

    assert not films.lying(Path(path))
    assert films.lying(tmp_path) == set()


async def test_the_source_cannot_be_changed() -> None:
    before = film().read_bytes()
    arguments = ["-v", "error", "-f", "lavfi", "-i", "color=red:d=1", "-y", f"file:{film()}"]

    with pytest.raises(Refused):
        await run("ffmpeg", arguments, reads=[film()], writes=None, bounds=BOUNDS)

    assert film().read_bytes() == before


async def test_nobody_can_be_called_even_if_a_protocol_were_let_through() -> None:
    knocks = 0

    def knocked(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal knocks
        knocks += 1
        writer.close()

    server = await asyncio.start_server(knocked, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    with pytest.raises(Refused, match=r"refused|unreachable"):
        await run("ffprobe", ["-v", "error", f"http://127.0.0.1:{port}/"], reads=[], writes=None, bounds=BOUNDS)

    server.close()
    assert knocks == 0


async def test_it_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFREPORT", "file=/tmp/planted-report.log")

    await run("ffprobe", ["-version"], reads=[], writes=None, bounds=BOUNDS)

    assert not films.lying(Path("/tmp/planted-report.log"))


async def test_time_is_bounded() -> None:
    began = time.monotonic()

    with pytest.raises(OutOfBounds, match="wall"):
        await run("ffmpeg", ["-re", *ENDLESS], reads=[], writes=None, bounds=Bounds(wall_s=0.5, cpu_s=20))

    assert time.monotonic() - began < 10
    assert not running("testsrc2=s=640x480")


async def test_processor_time_is_bounded() -> None:
    with pytest.raises(OutOfBounds, match="cpu"):
        await run("ffmpeg", ENDLESS, reads=[], writes=None, bounds=Bounds(wall_s=60, cpu_s=1))


async def test_memory_is_bounded() -> None:
    greedy = (
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "color=s=4000x4000:d=1,format=rgba64",
        "-vf",
        "scale=16000:16000",
        "-f",
        "null",
        "-",
    )

    bounds = Bounds(wall_s=60, cpu_s=20, memory_bytes=1_200_000_000)

    with pytest.raises(OutOfBounds, match="memory"):
        await run("ffmpeg", greedy, reads=[], writes=None, bounds=bounds)


async def test_the_disk_is_bounded(tmp_path: Path) -> None:
    arguments = ["-v", "error", "-f", "lavfi", "-i", "testsrc2", "-t", "9", "-f", "rawvideo", f"file:{tmp_path}/much"]

    bounds = Bounds(wall_s=60, cpu_s=20, file_bytes=1_000_000)

    with pytest.raises(OutOfBounds, match="disk"):
        await run("ffmpeg", arguments, reads=[], writes=tmp_path, bounds=bounds)

    assert (tmp_path / "much").stat().st_size <= 1_000_000


async def test_what_it_says_is_bounded() -> None:
    much = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=d=2", "-f", "rawvideo", "-"]

    with pytest.raises(OutOfBounds, match="answer"):
        await run("ffmpeg", much, reads=[], writes=None, bounds=Bounds(wall_s=60, cpu_s=20, answer_bytes=100_000))


@pytest.mark.parametrize(
    ("bounds", "limit"),
    [
        (Bounds(wall_s=60, cpu_s=20, answer_bytes=100_000), "answer"),
        (Bounds(wall_s=0.5, cpu_s=20, answer_bytes=10**10), "wall"),
    ],
    ids=["answer", "wall"],
)
async def test_who_says_more_than_is_read_is_ended_too(bounds: Bounds, limit: str) -> None:
    endless = ["-v", "error", "-f", "lavfi", "-i", "testsrc2", "-f", "rawvideo", "-"]

    async def others() -> None:
        while True:
            time.sleep(0.005)  # noqa: ASYNC251 - the loop is busy, and the pipes fill up meanwhile
            await asyncio.sleep(0)

    busy = asyncio.create_task(others())
    try:
        for _ in range(8):
            with pytest.raises(OutOfBounds, match=limit):
                await asyncio.wait_for(run("ffmpeg", endless, reads=[], writes=None, bounds=bounds), 20)
    finally:
        busy.cancel()


async def test_who_is_cancelled_leaves_nothing_running() -> None:
    work = asyncio.create_task(
        run("ffmpeg", ["-re", *ENDLESS, "-t", "31"], reads=[], writes=None, bounds=Bounds(wall_s=60, cpu_s=20))
    )
    await until(lambda: running("testsrc2=s=640x480"))

    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work

    await until(lambda: not running("testsrc2=s=640x480"))


async def until(holds: Callable[[], object]) -> None:
    """Wait for a condition, 20 s at most."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("never came true")


def running(word: str) -> list[int]:
    """Processes with a word in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and any(word in part for part in process.info["cmdline"] or ()):
            found.append(process.pid)
    return found
