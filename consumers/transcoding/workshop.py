"""Does the jobs that take a core: a film is fetched, inspected, encoded task by task, and published; a picture is scaled."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from consumers.runtime import Claimed, Database, Done, GiveUp, OutCommand, TryAgain
from consumers.transcoding import found, store
from consumers.transcoding.encode import encode
from consumers.transcoding.errands import Payload, read
from consumers.transcoding.film import Film
from consumers.transcoding.gateway import Away, Missing, Objects, TooLarge
from consumers.transcoding.package import Manifest, Unfinished, manifest
from consumers.transcoding.pictures import pictures
from consumers.transcoding.plan import Plan, Task, plan
from consumers.transcoding.probe import Limits, probe
from consumers.transcoding.recording import command
from consumers.transcoding.sandbox import Failed
from consumers.transcoding.scratch import NoRoom, Scratch
from consumers.transcoding.shots import stills
from consumers.transcoding.stills import Stills
from consumers.transcoding.unfit import Unfit
from consumers.transcoding.upload import Facts, InWork
from schemas.envelope import Wire
from schemas.videos import (
    PictureSize,
    RecordEncoded,
    RecordInspected,
    RecordPicture,
    RecordPublished,
    RecordUnfit,
    Rendition,
)

log = structlog.get_logger("workshop")

MISSED_TIMES: Final = 3
"""So often an object that should be there is looked for again."""
KILLS_MAX: Final = 25
"""A job over which so many runners died is given up."""
BUGS_MAX: Final = 6
FAILURES_MAX: Final = 30
"""A job that fails so often by a mistake of ours, or by a machine that cannot do it (a quarter of an hour), is given up."""
STILLS_BYTES_MAX: Final = 64 << 20
PICTURES_BYTES_MAX: Final = 32 << 20
NO_ROOM_S: Final = 5.0

REASONS: Final = {
    "upload_missing": "The file never arrived. Please send it again.",
    "size_mismatch": "The file that arrived is not as long as you said. Please send it again.",
    "checksum_mismatch": "The file was changed on its way. Please send it again.",
    "too_many_bytes": "The file is too large.",
    "processing_failed": "We could not work on this file. Please send it again, and tell us if it happens twice.",
}
TYPES: Final = {".m4s": "video/mp4", ".mp4": "video/mp4", ".jpg": "image/jpeg", ".webp": "image/webp"}


class Unusable(Exception):
    """What was uploaded is not what was announced; `code` is one of REASONS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = REASONS[code]


class Workshop:
    """One process's hands: what is done is kept in S3 and in `found`, so that whoever comes next goes on from there."""

    def __init__(self, objects: Objects, scratch: Scratch, *, limits: Limits, slot: int) -> None:
        """Take S3, the disk, what films are taken at most, and which copy of the worker this is."""
        self._objects = objects
        self._scratch = scratch
        self._limits = limits
        self._slot = slot
        self._db: Database | None = None

    async def open(self, db: Database) -> None:
        """Take the worker's database, and up again what an earlier process of this slot was doing."""
        self._db = db
        await self._scratch.open()
        await found.take_up(db, self._slot)

    async def close(self) -> None:
        """Leave nothing on the disk."""
        await self._scratch.close()

    async def act(self, job: Claimed) -> Done:
        """Do one job; raises TryAgain. What is the film's own fault is recorded as such."""
        payload = read(job.payload)
        upload = await store.upload(self.db, payload.id)
        if not isinstance(upload, InWork):
            return Done()  # Withdrawn, failed or finished meanwhile.
        kills = await found.hold(self.db, job.id, self._slot)
        if kills >= KILLS_MAX:
            raise GiveUp(f"{kills} runners died over it")
        try:
            said = await self._step(payload, upload.facts, job.attempt)
            return Done([found.let_go(job.id)], [command(job, said)])
        except (Unfit, Unusable) as error:
            log.info("unfit", video=str(payload.id), step=payload.step, task=payload.task, why=str(error))
            return Done(commands=[_unfit(job, payload.id, error.code, error.reason)])
        except NoRoom as error:
            raise TryAgain(str(error), after_s=NO_ROOM_S) from error
        except (Away, Unfinished) as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            most = FAILURES_MAX if isinstance(error, Failed) and payload.task != found.STILLS else BUGS_MAX
            if job.attempt - kills >= most:
                raise GiveUp(f"{type(error).__name__} each time") from error
            raise

    async def gave_up(self, job: Claimed, _reason: str) -> Done:
        """Tell that nothing can be made of it; a film without a poster is better than none."""
        payload = read(job.payload)
        if payload.task == found.STILLS:
            await found.keep_encoded(self.db, payload.id, found.STILLS, Stills(pictures=(), tiles=()))
            return Done(commands=[command(job, RecordEncoded(video_id=payload.id, task=found.STILLS))])
        return Done(commands=[_unfit(job, payload.id, "processing_failed", REASONS["processing_failed"])])

    @property
    def db(self) -> Database:
        """The worker's database."""
        assert self._db is not None
        return self._db

    async def _step(self, payload: Payload, facts: Facts, attempt: int) -> Wire:
        match payload.step:
            case "inspect":
                return await self._inspect(facts, attempt)
            case "encode":
                return await self._encode(facts, payload.task, attempt)
            case "publish-lowest":
                return await self._publish(facts, attempt, complete=False)
            case "publish":
                return await self._publish(facts, attempt, complete=True)
            case "picture":
                return await self._picture(facts, attempt)
            case step:
                raise ValueError(f"no step {step}")

    async def _inspect(self, facts: Facts, attempt: int) -> Wire:
        known = await found.inspected(self.db, facts.id)
        if known is None:
            await self._arrived(facts, attempt)
            async with self._source(facts, attempt) as source:
                await self._verify(facts, source)
                film = await probe(source, self._limits)
            await found.keep_inspected(self.db, facts.id, film, plan(film))
            known = await found.inspected(self.db, facts.id)
            assert known is not None
        return _inspected(facts, *known)

    async def _encode(self, facts: Facts, name: str, attempt: int) -> Wire:
        if not await found.is_encoded(self.db, facts.id, name):
            known = await found.inspected(self.db, facts.id)
            if known is None:
                raise TryAgain("its plan is not there")
            film, planned = known
            if name == found.STILLS:
                await self._make_stills(facts, film, attempt)
            else:
                task = next(one for one in planned.tasks if one.name == name)
                await self._make_pieces(facts, film, planned, task, attempt)
        return RecordEncoded(video_id=facts.id, task=name)

    async def _make_pieces(self, facts: Facts, film: Film, planned: Plan, task: Task, attempt: int) -> None:
        async with self._source(facts, attempt) as source, self._scratch.room(task.size_bytes_max) as folder:
            pieces = await encode(source, folder, film=film, plan=planned, task=task)
            await self._keep(f"videos/{facts.id}/", folder, {piece.name for piece in pieces})
        await found.keep_encoded(self.db, facts.id, task.name, pieces)

    async def _make_stills(self, facts: Facts, film: Film, attempt: int) -> None:
        async with self._source(facts, attempt) as source, self._scratch.room(STILLS_BYTES_MAX) as folder:
            made = await stills(source, folder, film=film)
            await self._keep(f"videos/{facts.id}/", folder, {one.name for one in made.pictures})
        await found.keep_encoded(self.db, facts.id, found.STILLS, made)

    async def _publish(self, facts: Facts, attempt: int, *, complete: bool) -> Wire:
        known = await found.inspected(self.db, facts.id)
        assert known is not None
        film, planned = known
        pieces, made = await found.made(self.db, facts.id)
        whole = manifest(planned, pieces)
        if complete:
            lost = await self._lost(facts, {piece.name: piece.size_bytes for piece in pieces})
            if lost:
                for name in await found.undo(self.db, facts.id, lost):
                    task = next(one for one in planned.tasks if one.name == name)
                    await self._make_pieces(facts, film, planned, task, attempt)
                raise Away(f"S3 had lost {len(lost)} of {len(pieces)} objects: made again")
            self._scratch.forget(facts.id)
        await found.publish(self.db, facts.id, whole, made, complete=complete)
        return RecordPublished(
            video_id=facts.id,
            complete=complete,
            duration_ms=round(whole.duration_s * 1000),
            size_bytes=sum(piece.size_bytes for piece in pieces),
            renditions=_renditions(whole),
        )

    async def _lost(self, facts: Facts, sizes: dict[str, int]) -> list[str]:
        """Nothing is published that is not in S3 as it was made."""
        stored = await self._objects.keys(self._objects.media, prefix := f"videos/{facts.id}/")
        return [name for name, size in sizes.items() if stored.get(prefix + name) != size]

    async def _picture(self, facts: Facts, attempt: int) -> Wire:
        await self._arrived(facts, attempt)
        async with self._source(facts, attempt) as source, self._scratch.room(PICTURES_BYTES_MAX) as folder:
            await self._verify(facts, source)
            made = await pictures(source, folder, use="avatar" if facts.purpose == "avatar" else "auction")
            await self._keep(f"pictures/{facts.id}/", folder, {one.name for one in made})
        self._scratch.forget(facts.id)
        sizes = [PictureSize(name=one.name, width=one.width, height=one.height) for one in made]
        return RecordPicture(video_id=facts.id, sizes=sizes)

    async def _arrived(self, facts: Facts, attempt: int) -> None:
        """The bytes are one object of the announced size; parts are joined. Raises Unusable."""
        key = f"incoming/{facts.id}"
        if facts.upload_id is not None:
            await self._objects.join(key, facts.upload_id)
        head = await self._objects.head(self._objects.uploads, key)
        if head is None:
            self._missed(attempt)
        elif head.size != facts.size:
            raise Unusable("size_mismatch")

    def _missed(self, attempt: int) -> None:
        if attempt <= MISSED_TIMES:
            raise TryAgain("the upload is not there yet", after_s=1)
        raise Unusable("upload_missing")

    async def _verify(self, facts: Facts, source: Path) -> None:
        if facts.checksum is not None and await asyncio.to_thread(_sha256, source) != facts.checksum:
            raise Unusable("checksum_mismatch")

    def _source(self, facts: Facts, attempt: int) -> AbstractAsyncContextManager[Path]:
        return self._scratch.source(facts.id, facts.size, self._fetching(facts, attempt))

    def _fetching(self, facts: Facts, attempt: int) -> Callable[[Path], Awaitable[object]]:
        async def fetch(path: Path) -> None:
            try:
                await self._objects.fetch(self._objects.uploads, f"incoming/{facts.id}", path, bytes_max=facts.size)
            except Missing:
                self._missed(attempt)
            except TooLarge as error:
                raise Unusable("too_many_bytes") from error

        return fetch

    async def _keep(self, prefix: str, folder: Path, names: Iterable[str]) -> None:
        await asyncio.gather(
            *(
                self._objects.put(
                    self._objects.media, prefix + name, folder / name, content_type=TYPES[Path(name).suffix]
                )
                for name in names
            )
        )


def _inspected(facts: Facts, film: Film, planned: Plan) -> RecordInspected:
    first = planned.playable_after()
    ahead = [task.name for task in planned.tasks if task.name in first]
    others = [task.name for task in planned.tasks if task.name not in first]
    return RecordInspected(
        video_id=facts.id,
        duration_ms=round(film.duration_s * 1000),
        width=film.width,
        height=film.height,
        rungs=[rung.name for rung in planned.rungs],
        tasks=[*ahead, found.STILLS, *others],
        playable_after=sorted(first),
    )


def _renditions(whole: Manifest) -> list[Rendition]:
    return [
        Rendition(
            name=rung.name,
            width=rung.width,
            height=rung.height,
            bandwidth=rung.bandwidth,
            average_bandwidth=rung.average_bandwidth,
            codecs=rung.codecs,
            frame_rate=rung.frame_rate,
        )
        for rung in whole.rungs
    ]


def _unfit(job: Claimed, video_id: UUID, code: str, reason: str) -> OutCommand:
    return command(job, RecordUnfit(video_id=video_id, code=code, reason=reason))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
