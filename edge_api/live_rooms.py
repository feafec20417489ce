"""Every auction that is watched, each read once however many ask, and mended when the tail left something out."""

import asyncio
import time

import asyncpg
import msgspec

from consumers.runtime.outage import Backoff
from edge_api import live_metrics, live_views
from edge_api.live_room import Room
from edge_api.live_views import RESUMED_MAX

MEND_AGAIN_S = 0.5
KEPT_EMPTY_S = 60.0
"""How long an auction that nobody watches stays in memory, for those who reconnect."""


class Rooms:
    """Every auction that is watched here."""

    def __init__(self, db: live_views.Pool, secret: bytes) -> None:
        self._db = db
        self._secret = secret
        self._rooms: dict[str, Room] = {}
        self._opening: dict[str, asyncio.Task[Room | None]] = {}
        self._mending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._rooms)

    def at(self, auction_id: str) -> Room | None:
        """The room of an auction, if anybody watches it."""
        return self._rooms.get(auction_id)

    def opened(self, auction_id: str) -> Room | None:
        """The room of an auction, if it can be joined at once."""
        room = self._rooms.get(auction_id)
        return None if room is None or room.standing is None else room

    async def open(self, auction_id: str) -> Room | None:
        """The room of an auction, read once for all who ask together; None when there is no such auction.

        Raises what the database raises when it is away.
        """
        room = self.opened(auction_id)
        if room is not None:
            return room
        opening = self._opening.get(auction_id)
        if opening is None:
            opening = self._opening[auction_id] = asyncio.create_task(self._open(auction_id))
            opening.add_done_callback(lambda _: self._opening.pop(auction_id, None))
        return await asyncio.shield(opening)

    async def _open(self, auction_id: str) -> Room | None:
        # The room hears the tail before the standing is read: nothing can fall between the two.
        room = self._rooms[auction_id] = Room(auction_id, self._secret)
        try:
            standing = await live_views.standing(self._db, auction_id, room.alias_of)
        except BaseException:
            del self._rooms[auction_id]
            raise
        if standing is None:
            del self._rooms[auction_id]
            return None
        if not room.settle(standing):
            self.mend(room)
        return room

    async def read_back(self, room: Room, last_seq: int) -> None:
        """See Room.read_back."""
        await room.read_back(self._db, last_seq)

    def mend_all(self) -> None:
        """Read every auction anew: nobody knows which events were lost."""
        for room in self._rooms.values():
            if room.standing is not None and not room.mending:
                room.mending = True
                self.mend(room)

    def mend(self, room: Room) -> None:
        """Read what is missing before the events that wait, and go on; the room is `mending` already."""
        live_metrics.GAPS.inc()
        task = asyncio.create_task(self._mend(room))
        self._mending.add(task)
        task.add_done_callback(self._mending.discard)

    async def _mend(self, room: Room) -> None:
        backoff = Backoff()
        whole = False
        while not whole:
            try:
                whole = await self._mend_once(room)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, msgspec.MsgspecError) as error:
                await backoff.wait(error, "Postgres", auction=room.auction_id)
            else:
                await room.flush()
                await asyncio.sleep(0 if whole else MEND_AGAIN_S)

    async def _mend_once(self, room: Room) -> bool:
        if 0 < len(room.waiting) <= RESUMED_MAX:
            upto = room.waiting[0].sequence - 1
            missing = await live_views.events(self._db, room.auction_id, after=room.seq, upto=upto)
            if room.fits(missing):
                room.waiting[:0] = missing
                return room.settle()
        # What waits stands in the database already: it was committed before it was told.
        room.waiting.clear()
        standing = await live_views.standing(self._db, room.auction_id, room.alias_of)
        whole = standing is not None and room.settle(standing)
        if standing is not None:
            room.show_all()
        return whole

    def sweep(self) -> None:
        """Forget auctions that nobody has watched for a while."""
        until = time.monotonic() - KEPT_EMPTY_S
        for auction_id in [
            room.auction_id
            for room in self._rooms.values()
            if room.standing is not None and not room.interested and not room.mending and room.empty_since < until
        ]:
            del self._rooms[auction_id]

    def close(self) -> None:
        """End what is still being read."""
        for task in (*self._mending, *self._opening.values()):
            task.cancel()
