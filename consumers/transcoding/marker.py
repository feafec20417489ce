"""Makes viewers' own renditions just in time: the segment that a player asks for at once, the next ones ahead of it."""

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Histogram

from consumers.runtime import Database
from consumers.transcoding import marks
from consumers.transcoding.gateway import Away, Missing, Objects, TooLarge
from consumers.transcoding.marks import Limits, Made
from consumers.transcoding.package import Track
from consumers.transcoding.sandbox import Failed
from consumers.transcoding.watermark import watermark

log = structlog.get_logger("marker")

AHEAD: Final = 2
"""Segments made beyond the one that is played: 8 s, twice what a player fetches at once."""
WAITING_MAX: Final = 64
"""Segments that wait for a core; beyond, whoever asks is told to come again."""
RENEWED_EVERY_S: Final = 60.0
SWEPT_EVERY_S: Final = 30.0
PIECE_BYTES_MAX: Final = 64 << 20
TEXT_DIGITS: Final = 8
INIT: Final = "init.mp4"
CONTENT_TYPE: Final = "video/mp4"

MADE = Counter("marked_segments_total", "Segments that were marked.", ["how"])
TOOK = Histogram("marked_segment_seconds", "From the request to the marked segment.")


class TooMany(Exception):
    """The viewer, or all together, have as many renditions as there may be."""


class Busy(Exception):
    """All cores are at work and more wait already."""


class Wanted(NamedTuple):
    """One segment of one viewer's rendition."""

    video_id: UUID
    viewer: UUID
    rung: str
    number: int

    def key(self, name: str | None = None) -> str:
        """Where it, or another piece of the rung, is kept."""
        return f"marked/{self.video_id}/{self.viewer}/{self.rung}/{name or f'{self.number}.m4s'}"


class Marker:
    """Renditions of one machine; others may make others, or the same: what is stored is the same."""

    def __init__(
        self,
        objects: Objects,
        db: Database,
        scratch: Path,
        limits: Limits,
        *,
        at_once: int,
        fatal: Callable[[BaseException], None],
    ) -> None:
        """Take the bucket, the database, a folder of its own, and how many segments are made at once.

        `fatal` is told of a failure that nobody expected: the process is to end and a new one to begin.
        """
        self._fatal = fatal
        self._objects = objects
        self._db = db
        self._scratch = scratch
        self._limits = limits
        self._at_once = at_once
        self._queue: asyncio.PriorityQueue[tuple[int, int, Wanted, Made]] = asyncio.PriorityQueue()
        self._count = itertools.count()
        self._under_way: dict[Wanted, asyncio.Future[bytes]] = {}
        self._begun: set[Wanted] = set()
        self._renewed: dict[tuple[UUID, UUID], float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Begin to make and to sweep; what an earlier process left in the folder is removed."""
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        self._tasks = [asyncio.create_task(self._make()) for _ in range(self._at_once)]
        self._tasks.append(asyncio.create_task(self._sweep()))
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop at once; the segment under way is made again by whoever is asked."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal(error)

    async def piece(self, video_id: UUID, viewer: UUID, rung: str, name: str) -> bytes:
        """A segment (`7.m4s`) or the init segment of a viewer's rendition.

        Raises Missing when the film has no such piece (any more), TooMany, Busy, Away and sandbox.Failed.
        """
        film = await marks.made(self._db, video_id)
        track = None if film is None else film.rung(rung)
        number = _number(name)
        if film is None or track is None or number is None or number >= len(track.parts):
            raise Missing(name)
        await self._renew(video_id, viewer)
        wanted = Wanted(video_id, viewer, rung, number)
        with TOOK.time():
            found = await self._stored(wanted.key(name))
            if found is None:
                found = await asyncio.shield(self._ask(wanted, film, how=0))
                if name == INIT:
                    found = await self._stored(wanted.key(INIT))
        if found is None:
            raise Away("a piece that was just stored is not there")
        await self._look_ahead(wanted, film, len(track.parts))
        return found

    async def _renew(self, video_id: UUID, viewer: UUID) -> None:
        now = time.monotonic()
        if now - self._renewed.get((video_id, viewer), -RENEWED_EVERY_S) < RENEWED_EVERY_S:
            return
        if not await marks.admit(self._db, video_id, viewer, self._limits):
            raise TooMany
        self._renewed = {who: at for who, at in self._renewed.items() if now - at < RENEWED_EVERY_S}
        self._renewed[video_id, viewer] = now

    async def _look_ahead(self, wanted: Wanted, film: Made, parts: int) -> None:
        for number in range(wanted.number + 1, min(wanted.number + 1 + AHEAD, parts)):
            after = wanted._replace(number=number)
            if after not in self._under_way and self._queue.qsize() < WAITING_MAX:
                self._ask(after, film, how=1)

    def _ask(self, wanted: Wanted, film: Made, *, how: int) -> "asyncio.Future[bytes]":
        """The segment to come; one that is waited for (`how` 0) goes before those made ahead (1)."""
        known = self._under_way.get(wanted)
        if known is None:
            if self._queue.qsize() >= WAITING_MAX:
                raise Busy
            known = self._under_way[wanted] = asyncio.get_running_loop().create_future()
            # Nobody may be waiting for what is made ahead.
            known.add_done_callback(lambda made: made.cancelled() or made.exception())
        elif wanted in self._begun or how:
            return known
        self._queue.put_nowait((how, next(self._count), wanted, film))
        return known

    async def _make(self) -> None:
        # A cancelled fetch may end with an error of its folder's instead, which a thread still writes to.
        while not self._stopping:
            how, _, wanted, film = await self._queue.get()
            future = self._under_way.get(wanted)
            if future is None or wanted in self._begun:
                continue
            self._begun.add(wanted)
            try:
                stored = await self._stored(wanted.key()) if how else None
                made = stored or await self._mark(wanted, film)
                MADE.labels("ahead" if how else "asked").inc()
                future.set_result(made)
            except (Away, Missing, TooLarge, Failed, OSError) as error:
                log.warning("a segment was not marked", video_id=str(wanted.video_id), reason=repr(error))
                future.set_exception(error)
            finally:
                future.cancel()
                self._begun.discard(wanted)
                del self._under_way[wanted]

    async def _mark(self, wanted: Wanted, film: Made) -> bytes:
        track = film.rung(wanted.rung)
        assert track is not None, "asked for before"
        part = track.parts[wanted.number]
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            folder = Path(name)
            source, out = folder / "source", folder / "out"
            source.mkdir()
            out.mkdir()
            await asyncio.gather(
                *(self._fetch(f"videos/{wanted.video_id}/{one}", source / one) for one in (track.init, part.name))
            )
            made = await watermark(
                source / track.init,
                source / part.name,
                out,
                text=wanted.viewer.hex[:TEXT_DIGITS],
                **_about(track, film, wanted.number),
            )
            for piece, key in ((made.init, wanted.key(INIT)), (made.part, wanted.key())):
                await self._objects.put(self._objects.media, key, out / piece, content_type=CONTENT_TYPE)
            return await asyncio.to_thread((out / made.part).read_bytes)

    async def _fetch(self, key: str, path: Path) -> None:
        await self._objects.fetch(self._objects.media, key, path, bytes_max=PIECE_BYTES_MAX)

    async def _stored(self, key: str) -> bytes | None:
        with tempfile.TemporaryDirectory(dir=self._scratch) as name, suppress(Missing):
            path = Path(name) / "piece"
            await self._fetch(key, path)
            return await asyncio.to_thread(path.read_bytes)
        return None

    async def _sweep(self) -> None:
        while not self._stopping:
            try:
                await self.sweep()
            except (Away, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("cannot sweep", reason=repr(error))
            await asyncio.sleep(SWEPT_EVERY_S)

    async def sweep(self) -> int:
        """Remove renditions that expired; returns how many objects those were."""
        gone = 0
        for row in await marks.expired(self._db):
            keys = await self._objects.keys(self._objects.media, f"marked/{row['video_id']}/{row['viewer']}/")
            await self._objects.delete(self._objects.media, list(keys))
            await marks.forget(self._db, row["video_id"], row["viewer"])
            gone += len(keys)
        return gone


def _number(name: str) -> int | None:
    """Which segment makes a piece: the init segment is that of the first."""
    if name == INIT:
        return 0
    stem, dot, suffix = name.partition(".")
    return int(stem) if dot and suffix == "m4s" and stem.isascii() and stem.isdecimal() and len(stem) < 6 else None


def _about(track: Track, film: Made, number: int) -> dict[str, Any]:
    plan, segment = film.plan, film.plan.segments[number]
    return {
        "start_s": plan.start_s(segment),
        "frames": segment.frames,
        "frame_rate": (plan.rate_num, plan.rate_den),
        "bits_per_s_max": track.bandwidth,
    }
