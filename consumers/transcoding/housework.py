"""Looks after S3: finds finished uploads that nobody reported, ends abandoned ones, and leaves no object that nothing needs."""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import UUID

import structlog

from consumers.runtime import Claimed, Database, Done, Job, TryAgain, Write, enqueue
from consumers.transcoding import errands, found, store
from consumers.transcoding.cdn import Cdn
from consumers.transcoding.gateway import Away, Missing, Objects
from consumers.transcoding.recording import command
from consumers.transcoding.upload import Awaited, Facts, Failed, Ready, Upload, Withdrawn
from schemas.videos import CompleteUpload, ExpireUpload, WithdrawVideo

log = structlog.get_logger("housework")

SWEEP_EVERY_S: Final = 3_600
QUARANTINED_S: Final = 30 * 86_400
STRANGE_AFTER_S: Final = 86_400
"""A multipart upload that nothing of ours names is thrown away after a day: its request may still be on its way."""
LOOKED_LESS_OFTEN: Final = 15
"""An upload that takes long is looked at less often, up to so many times less."""
_HOUR: Final = UUID("5f0a3f0e-6a0b-5a53-9f0c-6c8f1f0f7c11")


class Housework:
    """The jobs that only ask and tidy; each may be done twice without harm."""

    def __init__(self, objects: Objects, cdn: Cdn, *, watch_s: float) -> None:
        """Take S3, the CDN, and how often an open upload is looked at, in seconds."""
        self._objects = objects
        self._cdn = cdn
        self._watch_s = watch_s
        self._db: Database | None = None
        self._steps: Mapping[str, Callable[[Claimed, Upload, UUID], Awaitable[Done]]] = {
            "watch": self._watch,
            "tidy": self._tidy,
            "quarantine": self._quarantine,
            "purge": self._purge,
            "withdraw": self._withdraw,
            "retire": self._retire,
            "leave": self._leave,
            "sweep": self._sweep,
        }

    async def open(self, db: Database) -> None:
        """Take the worker's database, and see to it that somebody sweeps this hour."""
        self._db = db
        for write in enqueue(sweep_job(time.time())):
            await db.executemany(write.sql, write.rows)

    @property
    def db(self) -> Database:
        """The worker's database."""
        assert self._db is not None
        return self._db

    async def act(self, job: Claimed) -> Done:
        """Do one job; raises TryAgain."""
        payload = errands.read(job.payload)
        upload = await store.upload(self.db, payload.id)
        try:
            return await self._steps[payload.step](job, upload, payload.id)
        except Away as error:
            raise TryAgain(str(error)) from error

    async def _watch(self, job: Claimed, upload: Upload, upload_id: UUID) -> Done:
        """An open upload: all there, too late, or still on its way."""
        if not isinstance(upload, Awaited):
            return Done()
        if await self._is_there(upload.facts):
            log.info("a finished upload that nobody reported", video=str(upload_id))
            return Done(commands=[command(job, CompleteUpload(video_id=upload_id))])
        if time.time() * 1000 >= upload.facts.expires_ms:
            return Done(commands=[command(job, ExpireUpload(video_id=upload_id))])
        raise TryAgain("still on its way", after_s=self._watch_s * min(job.attempt, LOOKED_LESS_OFTEN))

    async def _is_there(self, facts: Facts) -> bool:
        key = f"incoming/{facts.id}"
        if facts.upload_id is not None and await self._objects.parts_size(key, facts.upload_id) == facts.size:
            return True
        head = await self._objects.head(self._objects.uploads, key)
        return head is not None and head.size == facts.size

    async def _tidy(self, _job: Claimed, upload: Upload, upload_id: UUID) -> Done:
        """Of what is ready only that stays which is shown; the source goes."""
        if not isinstance(upload, Ready):
            return Done()
        await self._objects.delete(self._objects.uploads, [f"incoming/{upload_id}"])
        await self._remove(_folder(upload.facts), but=await self._shown(upload))
        return Done(writes=_once_more(upload_id, "tidy", errands.TIDY_AGAIN_S))

    async def _shown(self, upload: Ready) -> set[str]:
        if not upload.facts.is_film:
            return {size.name for size in upload.sizes}
        asset = await found.asset(self.db, upload.facts.id)
        if asset is None:
            raise TryAgain("its manifest is not there")
        manifest, stills = asset
        tracks = [*manifest.rungs, *([] if manifest.sound is None else [manifest.sound])]
        names = {name for track in tracks for name in (track.init, *(part.name for part in track.parts))}
        return names | (set() if stills is None else {picture.name for picture in stills.pictures})

    async def _quarantine(self, _job: Claimed, upload: Upload, upload_id: UUID) -> Done:
        """The source of what failed is put aside, out of reach of all other work; what was made of it goes."""
        if not isinstance(upload, Failed):
            return Done()
        await self._end_parts(upload.facts)
        source = f"incoming/{upload_id}"
        try:
            await self._objects.copy(self._objects.uploads, source, f"quarantine/{upload_id}")
        except Missing:
            log.info("nothing to put aside", video=str(upload_id))
        await self._objects.delete(self._objects.uploads, [source])
        await self._remove(_folder(upload.facts), but=set())
        await found.forget(self.db, upload_id)
        again = _once_more(upload_id, "quarantine", errands.TIDY_AGAIN_S)
        return Done(writes=[*again, *enqueue(errands.job(errands.Payload("purge", upload_id), delay_s=QUARANTINED_S))])

    async def _purge(self, _job: Claimed, _upload: Upload, upload_id: UUID) -> Done:
        await self._objects.delete(self._objects.uploads, [f"quarantine/{upload_id}"])
        return Done()

    async def _withdraw(self, job: Claimed, upload: Upload, upload_id: UUID) -> Done:
        """First the objects go, then the CDN is told: the other way round it would fetch them again in between."""
        if not isinstance(upload, Withdrawn):
            return Done()
        await self._end_parts(upload.facts)
        await self._objects.delete(self._objects.uploads, [f"incoming/{upload_id}", f"quarantine/{upload_id}"])
        folders = [_folder(upload.facts), f"marked/{upload_id}/", f"play/{upload_id}/"]
        for folder in folders[:2]:
            await self._remove(folder, but=set())
        await found.forget(self.db, upload_id)
        await self._cdn.invalidate([f"/{folder}*" for folder in folders], reference=str(job.id))
        return Done(writes=_once_more(upload_id, "withdraw", errands.TIDY_AGAIN_S))

    async def _retire(self, job: Claimed, _upload: Upload, upload_id: UUID) -> Done:
        """An avatar takes the place of those before it."""
        older = await store.older_avatars(self.db, upload_id)
        return Done(commands=[command(job, WithdrawVideo(video_id=one)) for one in older])

    async def _leave(self, job: Claimed, _upload: Upload, owner_id: UUID) -> Done:
        """Who erased their account leaves no film and no picture behind."""
        left = await store.uploads_of(self.db, owner_id)
        return Done(commands=[command(job, WithdrawVideo(video_id=one)) for one in left])

    async def _sweep(self, _job: Claimed, _upload: Upload, _hour: UUID) -> Done:
        """Remove what no upload of ours explains, and see to it that somebody sweeps the next hour."""
        for one in await self._objects.open_parts():
            if one.begun_s < time.time() - STRANGE_AFTER_S and not await self._is_awaited(one.key, one.upload_id):
                log.warning("a multipart upload that nothing names", key=one.key)
                await self._objects.abort(one.key, one.upload_id)
        for folder in ("videos/", "pictures/"):
            ids = {
                name: read for name in await self._objects.folders(self._objects.media, folder) if (read := _id(name))
            }
            known = await store.known(self.db, ids.values())
            for name, upload_id in ids.items():
                if upload_id not in known:
                    log.warning("objects that nothing names", folder=folder + name)
                    await self._remove(f"{folder}{name}/", but=set())
        return Done(writes=enqueue(sweep_job(time.time() + SWEEP_EVERY_S)))

    async def _is_awaited(self, key: str, s3_upload_id: str) -> bool:
        upload_id = _id(key.removeprefix("incoming/"))
        if upload_id is None:
            return False
        upload = await store.upload(self.db, upload_id)
        return isinstance(upload, Awaited) and upload.facts.upload_id == s3_upload_id

    async def _end_parts(self, facts: Facts) -> None:
        if facts.upload_id is not None:
            await self._objects.abort(f"incoming/{facts.id}", facts.upload_id)

    async def _remove(self, folder: str, *, but: set[str]) -> None:
        stored = await self._objects.keys(self._objects.media, folder)
        gone = [key for key in stored if key.removeprefix(folder) not in but]
        await self._objects.delete(self._objects.media, gone)


def sweep_job(at_s: float) -> Job:
    """The sweep of the hour in which `at_s` (seconds since 1970) lies: one, whoever asks for it."""
    hour = int(at_s // SWEEP_EVERY_S)
    payload = errands.Payload("sweep", uuid.uuid5(_HOUR, str(hour)))
    return errands.job(payload, delay_s=max(0.0, hour * SWEEP_EVERY_S - time.time()))


def leave_job(owner_id: UUID) -> Job:
    """What follows when somebody erased their account."""
    return errands.job(errands.Payload("leave", owner_id))


def _once_more(upload_id: UUID, step: str, delay_s: float) -> list[Write]:
    """The same step later: a runner that hung may have stored something after the first."""
    return enqueue(errands.job(errands.Payload(step, upload_id, "again"), delay_s=delay_s))


def _folder(facts: Facts) -> str:
    return f"{'videos' if facts.is_film else 'pictures'}/{facts.id}/"


def _id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
