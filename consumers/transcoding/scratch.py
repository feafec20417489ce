"""The disk of one process: a bounded folder of sources in work and of what is being made of them."""

import asyncio
import shutil
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID


class NoRoom(Exception):
    """The folder is full of what is in work; come again."""


class _Source:
    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.users = 0
        self.fetched = False
        self.fetching = asyncio.Lock()


class Scratch:
    """At most `bytes_max` on the disk: room is booked before it is used, and unused sources give way, oldest first."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        """Take a folder that is this process's alone, and its bound in bytes."""
        self._folder = folder
        self._bytes_max = bytes_max
        self._booked = 0
        self._sources: OrderedDict[UUID, _Source] = OrderedDict()

    @property
    def booked(self) -> int:
        """Bytes promised to work and to sources."""
        return self._booked

    async def open(self) -> None:
        """Make the folder anew: what an earlier process left there is nobody's."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)

    async def close(self) -> None:
        """Leave nothing behind."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    @asynccontextmanager
    async def source(
        self, upload_id: UUID, size: int, fetch: Callable[[Path], Awaitable[object]]
    ) -> AsyncIterator[Path]:
        """A source of `size` bytes, fetched once for all who use it at the same time or soon after; raises NoRoom."""
        source = self._sources.get(upload_id)
        if source is None:
            self._book(size)
            source = self._sources[upload_id] = _Source(self._folder / f"source-{upload_id}", size)
        self._sources.move_to_end(upload_id)
        source.users += 1
        try:
            async with source.fetching:
                if not source.fetched:
                    await fetch(source.path)
                    source.fetched = True
            yield source.path
        finally:
            source.users -= 1
            if not source.users and not source.fetched:
                self._drop(upload_id)

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[Path]:
        """An empty folder for results of at most `size` bytes, gone afterwards; raises NoRoom."""
        self._book(size)
        folder = self._folder / f"work-{uuid.uuid4()}"
        try:
            await asyncio.to_thread(folder.mkdir)
            yield folder
        finally:
            # Not awaited in a thread: who is cancelled here must not leave it behind.
            shutil.rmtree(folder, ignore_errors=True)
            self._booked -= size

    def forget(self, upload_id: UUID) -> None:
        """A source is needed no more."""
        source = self._sources.get(upload_id)
        if source is not None and not source.users:
            self._drop(upload_id)

    def _book(self, size: int) -> None:
        unused = [upload_id for upload_id, source in self._sources.items() if not source.users]
        while self._booked + size > self._bytes_max and unused:
            self._drop(unused.pop(0))
        if self._booked + size > self._bytes_max:
            raise NoRoom(f"{size} bytes do not fit beside {self._booked} of {self._bytes_max}")
        self._booked += size

    def _drop(self, upload_id: UUID) -> None:
        source = self._sources.pop(upload_id)
        source.path.unlink(missing_ok=True)
        self._booked -= source.size
