"""Brings together who is here, what they watch and what happens."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Coroutine, Iterable, Sequence
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge_api import live_metrics
from edge_api.live_films import progress_of
from edge_api.live_frames import Event, is_shown, message, notes_of, read_event
from edge_api.live_orders import updates_of
from edge_api.live_people import Presence, redeem
from edge_api.live_room import Room
from edge_api.live_rooms import Rooms
from edge_api.live_sockets import FORBIDDEN, GOING_AWAY, SUBSCRIPTIONS_MAX, TICKET, TOO_MANY, TRY_AGAIN_LATER, Socket
from edge_api.live_views import Pool
from producers.follower import Heard
from schemas.envelope import print_time, time_ms
from topics.catalog import PAYMENT_EVENTS, VIDEO_EVENTS

log = structlog.get_logger("live")

BEAT_S = 1.0
PING_EVERY = 25
"""Beats between two pings of a socket; a socket that was silent from one to the next is gone."""
CHECK_EVERY = 4
"""Beats between two looks at who was suspended or logged out."""
NOTED_MAX = 50_000
RETRY_MS = (1_000, 3_000)
RECONNECT_MS = (500, 5_000)

OF_PEOPLE: Final[dict[str, Callable[[Event, Container[str]], Iterable[tuple[str, bytes]]]]] = {
    VIDEO_EVENTS.name: progress_of,
    PAYMENT_EVENTS.name: updates_of,
}
"""Topics whose events are nobody's but a few people's: what an event means to those who are here."""


class Hub:
    """All sockets of this process."""

    def __init__(self, db: Pool, redis: Redis, *, pseudonym_secret: bytes, trusted: frozenset[str]) -> None:
        self.trusted = trusted
        self.rooms = Rooms(db, pseudonym_secret)
        self.presence: Presence[Socket] = Presence()
        self.sockets: set[Socket] = set()
        self._redis = redis
        self._rounds: list[set[Socket]] = [set() for _ in range(PING_EVERY)]
        self._beats = 0
        self._noted: OrderedDict[str, int] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- coming and going

    def arrive(self, socket: Socket) -> None:
        """A connection stands: count it, then look up its ticket."""
        self.sockets.add(socket)
        socket.round = len(self.sockets) % PING_EVERY
        self._rounds[socket.round].add(socket)
        live_metrics.SOCKETS.set(len(self.sockets))
        few_enough = self.presence.arrive(socket.address)
        if self._closed:
            socket.close(GOING_AWAY, _reconnect())
        elif not few_enough:
            socket.close(TOO_MANY, "too many connections from this address")
        else:
            self._start(self._admit(socket))

    async def _admit(self, socket: Socket) -> None:
        try:
            ticket = await redeem(self._redis, socket.text)
        except (RedisError, OSError) as error:
            log.warning("a ticket cannot be looked up", error=type(error).__name__)
            socket.close(TRY_AGAIN_LATER, "tickets cannot be checked now")
            return
        if socket.closing:
            return
        socket.text = ""
        if ticket is None:
            socket.close(TICKET, "unknown, used or expired ticket")
            return
        socket.ticket = ticket
        if self.presence.enter(socket):
            socket.admit(ticket)
        else:
            socket.close(TOO_MANY, "too many connections of this account")

    def leave(self, socket: Socket) -> None:
        """A connection is gone, or about to go; may be said twice."""
        if socket not in self.sockets:
            return
        for auction_id in list(socket.rooms):
            self._forget(socket, auction_id)
        self.presence.exit(socket)
        self.presence.leave(socket.address)
        self._rounds[socket.round].discard(socket)
        self.sockets.discard(socket)
        live_metrics.SOCKETS.set(len(self.sockets))

    # -- watching

    def subscribe(self, socket: Socket, auction_id: str, last_seq: int | None) -> None:
        """Bring a socket up to now, with the events after `last_seq` or a snapshot, and let it hear what follows."""
        if auction_id not in socket.rooms:
            if len(socket.rooms) >= SUBSCRIPTIONS_MAX:
                socket.close(TOO_MANY, f"more than {SUBSCRIPTIONS_MAX} subscriptions")
                return
            socket.rooms[auction_id] = None
        room = self.rooms.opened(auction_id)
        if room is not None and (last_seq is None or room.reaches_back_to(last_seq)):
            self._join(socket, room, last_seq)
        else:
            self._start(self._open_and_join(socket, auction_id, last_seq))

    async def _open_and_join(self, socket: Socket, auction_id: str, last_seq: int | None) -> None:
        try:
            room = await self.rooms.open(auction_id)
            if room is not None and last_seq is not None:
                await self.rooms.read_back(room, last_seq)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("an auction cannot be read", error=type(error).__name__)
            self._forget(socket, auction_id)
            retry_ms = random.randint(*RETRY_MS)  # noqa: S311
            socket.refuse("unavailable", "Please try again.", auctionId=auction_id, retryAfterMs=retry_ms)
            return
        if room is None:
            self._forget(socket, auction_id)
            socket.refuse("auction_not_found", "There is no such auction.", auctionId=auction_id)
        else:
            self._join(socket, room, last_seq)

    def _join(self, socket: Socket, room: Room, last_seq: int | None) -> None:
        if socket.closing or room.auction_id not in socket.rooms:
            return
        if socket.rooms[room.auction_id] is None:
            socket.rooms[room.auction_id] = room
            room.interested += 1
            live_metrics.SUBSCRIPTIONS.inc()
        if socket.behind:
            return  # The snapshot comes when it has caught up.
        missed = None if last_seq is None else room.missed(last_seq)
        if missed is None:
            room.join(socket, room.snapshot(socket))
            return
        you = socket.alias_in(room)
        resumed = message(
            "resumed",
            room.auction_id,
            seq=room.seq,
            events=len(missed),
            serverTime=print_time(time_ms()),
            yourBidderId=you,
        )
        room.join(socket, b"".join([*missed, resumed]))

    def unsubscribe(self, socket: Socket, auction_id: str) -> None:
        """Let a socket hear no more of an auction."""
        self._forget(socket, auction_id)
        socket.write(message("unsubscribed", auction_id))

    def _forget(self, socket: Socket, auction_id: str) -> None:
        room = socket.rooms.pop(auction_id, None)
        if room is not None:
            room.leave(socket)
            room.interested -= 1
            room.empty_since = time.monotonic()
            live_metrics.SUBSCRIPTIONS.dec()

    # -- what happens

    async def hear(self, records: Sequence[Heard]) -> None:
        """Tell everybody concerned of records of the public topics, in their order."""
        touched: dict[Room, int] = {}
        notes: list[tuple[str, bytes]] = []
        for record in records:
            if record.topic in OF_PEOPLE:
                notes.extend(self._hear_for_people(record))
                continue
            auction_id = record.key.decode("ascii", "replace")
            room = self.rooms.at(auction_id)
            if room is None and not self.presence:
                continue
            try:
                event = read_event(record.value)
                if not is_shown(event):
                    continue
                if room is not None:
                    touched[room] = record.at_ms
                    if not room.hear(event):
                        self.rooms.mend(room)
                if self._is_new(auction_id, event.sequence):
                    notes.extend(notes_of(event, auction_id, self.presence))
            except (msgspec.MsgspecError, ValueError) as error:
                # Whatever it was, the next event of this auction shows the gap, and the log fills it.
                live_metrics.UNREADABLE.inc()
                log.error("an event cannot be read", offset=record.offset, error=type(error).__name__)
        for room, at_ms in touched.items():
            await room.flush()
            live_metrics.DELAY.observe(max(0, time_ms() - at_ms) / 1000)
        for person, frame in notes:
            for socket in self.presence.of(person):
                socket.write(frame)

    def _hear_for_people(self, record: Heard) -> list[tuple[str, bytes]]:
        if not self.presence:
            return []
        try:
            event = read_event(record.value)
            notes = list(OF_PEOPLE[record.topic](event, self.presence))
        except (msgspec.MsgspecError, ValueError) as error:
            live_metrics.UNREADABLE.inc()
            log.error("an event cannot be read", offset=record.offset, error=type(error).__name__)
            return []
        key = record.key.decode("ascii", "replace")
        return notes if notes and self._is_new(key, event.sequence) else []

    def _is_new(self, key: str, sequence: int) -> bool:
        """False for an event told again after a worker's restart: a lead lost long ago is no news."""
        if self._noted.get(key, 0) >= sequence:
            return False
        self._noted[key] = sequence
        self._noted.move_to_end(key)
        if len(self._noted) > NOTED_MAX:
            self._noted.popitem(last=False)
        return True

    # -- as time goes by

    async def beat(self) -> None:
        """Ping, look who must go, forget what nobody watches; until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            self._beats += 1
            for socket in list(self._rounds[self._beats % PING_EVERY]):
                socket.ping()
            for socket in self.presence.expired():
                socket.close(FORBIDDEN, "the session has ended")
            if self._beats % CHECK_EVERY == 0:
                self._start(self._check())
            self.rooms.sweep()
            live_metrics.ROOMS.set(len(self.rooms))

    async def _check(self) -> None:
        try:
            async for socket in self.presence.revoked(self._redis):
                socket.close(FORBIDDEN, "the session was ended")
        except (RedisError, OSError) as error:
            # Who is here stays while Redis is away; the token's own end still holds.
            log.warning("sessions cannot be checked", error=type(error).__name__)

    async def say_goodbye(self, patience_s: float) -> None:
        """Close every socket, each with its own moment to come back, and wait until they are gone."""
        self._closed = True
        standing = list(self.sockets)
        for socket in standing:
            socket.close(GOING_AWAY, _reconnect())
        ends = [asyncio.create_task(socket.ended()) for socket in standing]
        if ends:
            await asyncio.wait(ends, timeout=patience_s)
        self.rooms.close()
        for task in (*self._tasks, *ends):
            task.cancel()


def _reconnect() -> str:
    return f"reconnectAfterMs={random.randint(*RECONNECT_MS)}"  # noqa: S311
