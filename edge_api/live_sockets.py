"""One WebSocket connection: what it may say, how fast it must read, how it ends."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from edge_api import live_metrics
from edge_api.live_frames import error, message
from edge_api.live_people import NOBODY, Ticket, address_behind, neighbourhood
from edge_api.live_room import Room
from schemas.envelope import print_time, time_ms

GONE = 1001
POLICY = 1008
TRY_AGAIN_LATER = 1013
TICKET = 4001
FORBIDDEN = 4003
SLOW = 4008
TOO_MANY = 4009
GOING_AWAY = 4010

FRAME_BYTES_MAX = 32_768
SUBSCRIPTIONS_MAX = 100
OFFENCES_MAX = 5
"""So many bad frames in a row end a connection."""
OPS_AT_ONCE = 250
OPS_PER_S = 25.0
EARLY_MAX = 16
"""Frames kept while the ticket is being looked up."""

HIGH_WATER = 128 * 1024
LOW_WATER = 32 * 1024
HARD_LIMIT = 1024 * 1024
BEHIND_S = 10.0
"""How long a reader may stay behind before it is closed."""
GOODBYE_S = 2.0
"""How long a closed connection may take to say goodbye."""

PING = b"\x89\x00"


class Op(msgspec.Struct, rename="camel"):
    """What a client says."""

    op: str
    auction_id: str = ""
    last_seq: int | None = None


UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_read_op = msgspec.json.Decoder(Op).decode


class Hub(Protocol):
    """What a socket needs of the process that it is in."""

    trusted: frozenset[str]

    def arrive(self, socket: "Socket") -> None:
        """A connection stands; its ticket is still to be looked up."""

    def leave(self, socket: "Socket") -> None:
        """A connection is gone."""

    def subscribe(self, socket: "Socket", auction_id: str, last_seq: int | None) -> None:
        """Let a socket hear of an auction."""

    def unsubscribe(self, socket: "Socket", auction_id: str) -> None:
        """Let a socket hear no more of an auction."""


class Socket(WSListener):
    """One connection; ten thousand of these sit idle, so they are kept small."""

    __slots__ = (
        *("_early", "_hub", "_offences", "_ops", "_ops_at", "_parts", "_timer", "_transport"),
        *("address", "alive", "behind", "closing", "rooms", "round", "since", "text", "ticket", "wire"),
    )

    def __init__(self, hub: Hub, ticket_text: str) -> None:
        self._hub = hub
        self.text = ticket_text
        self.ticket: Ticket = NOBODY
        self.since = time.time()
        self.rooms: dict[str, Room | None] = {}
        """Subscriptions; None while the auction is being read."""
        self.alive = True
        """Whether anything was heard since the last ping."""
        self.behind = False
        """Whether it reads too slowly to be told every event."""
        self.closing = False
        self.round = 0
        self.address = ""
        self._early: list[bytes] | None = []
        self._parts: bytes | None = None
        self._offences = 0
        self._ops = float(OPS_AT_ONCE)
        self._ops_at = self.since
        self._timer: asyncio.TimerHandle | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self.wire: Callable[[bytes], None] = transport.underlying_transport.write
        transport.underlying_transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        peer = transport.underlying_transport.get_extra_info("peername")
        forwarded = transport.request.headers.get("X-Forwarded-For")
        # picows keeps both heads for as long as the connection: a tenth of all that an idle socket costs.
        transport.request.headers.clear()
        transport.response.headers.clear()
        self.address = neighbourhood(address_behind(peer[0] if peer else "", forwarded, self._hub.trusted))
        self._hub.arrive(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        """The connection is gone, whoever ended it."""
        self.closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._hub.leave(self)

    def alias_in(self, room: Room) -> str | None:
        """The pseudonym of the person behind this socket in an auction."""
        return None if self.ticket.sub is None else room.alias_of(self.ticket.sub)

    def write(self, frames: bytes) -> None:
        """Queue whole frames; a reader for whom too much is queued is let go."""
        if self.closing:
            return
        self.wire(frames)
        if self.behind and self._transport.underlying_transport.get_write_buffer_size() > HARD_LIMIT:
            self.close(SLOW, "too far behind")

    def ping(self) -> None:
        """Ask for a sign of life, or end the connection if the last question was not answered."""
        if self.closing:
            return
        if not self.alive:
            self.close(GONE, "no answer to ping")
        else:
            self.alive = False
            self.wire(PING)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with a typed code; the connection ends when the client answers, or after a moment."""
        if self.closing:
            return
        self.closing = True
        live_metrics.CLOSES.labels(code).inc()
        self._transport.send_close(cast(WSCloseCode, code), reason.encode())
        self._hub.leave(self)
        self._after(GOODBYE_S, lambda: self._transport.disconnect(graceful=False))

    async def ended(self) -> None:
        """Return when the connection is gone."""
        await self._transport.wait_disconnected()

    def _after(self, delay_s: float, act: Callable[[], Any]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay_s, act)

    # -- how fast it reads

    def pause_writing(self) -> None:
        """Too much is queued: no more events, and nothing is read from it, until it has caught up."""
        if self.closing or self.behind:
            return
        self.behind = True
        for room in self.rooms.values():
            if room is not None:
                room.leave(self)
        self._transport.underlying_transport.pause_reading()
        self._after(BEHIND_S, lambda: self.close(SLOW, "reads too slowly"))

    def resume_writing(self) -> None:
        """It has caught up: a snapshot of each of its auctions stands for all that it missed."""
        if self.closing or not self.behind:
            return
        self.behind = False
        if self._timer is not None:
            self._timer.cancel()
        self.alive = True
        self._transport.underlying_transport.resume_reading()
        for room in list(self.rooms.values()):
            if room is not None and not self.behind:
                live_metrics.CONFLATIONS.inc()
                room.join(self, room.snapshot(self))

    # -- what it says

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came in."""
        self.alive = True
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._hub.leave(self)
            if not transport.is_close_frame_sent:
                code = frame.get_close_code()
                transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
        elif kind == WSMsgType.BINARY:
            self._offend("bad_frame", "Text frames only.")
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION) and not self.closing:
            self._gather(frame.get_payload_as_bytes(), last=frame.fin)

    def _gather(self, payload: bytes, *, last: bool) -> None:
        whole = payload if self._parts is None else self._parts + payload
        self._parts = None if last else whole
        if len(whole) > FRAME_BYTES_MAX:
            self._parts = None
            self._offend("too_large", f"A message may have {FRAME_BYTES_MAX} bytes.")
        elif last and self._early is not None:
            self._early.append(whole)
            if len(self._early) > EARLY_MAX:
                self.close(POLICY, "too many messages before the ticket was checked")
        elif last:
            self._hear(whole)

    def admit(self, ticket: Ticket) -> None:
        """The ticket is good: answer what was said meanwhile."""
        self.ticket = ticket
        early, self._early = self._early or [], None
        for whole in early:
            if not self.closing:
                self._hear(whole)

    def _hear(self, whole: bytes) -> None:
        if not self._allowed():
            self._offend("rate_limited", f"At most {OPS_PER_S:.0f} messages a second.")
            return
        try:
            op = _read_op(whole)
        except msgspec.MsgspecError as reason:
            self._offend("bad_message", f"Not a message of ours: {reason}.")
            return
        match op.op:
            case "ping":
                self.write(message("pong", serverTime=print_time(time_ms())))
            case "subscribe" | "unsubscribe" if not UUID_TEXT.fullmatch(op.auction_id):
                self._offend("bad_auction_id", "`auctionId` must be a UUID.")
                return
            case "subscribe":
                self._hub.subscribe(self, op.auction_id.lower(), op.last_seq)
            case "unsubscribe":
                self._hub.unsubscribe(self, op.auction_id.lower())
            case _:
                self._offend("unknown_op", "`op` must be subscribe, unsubscribe or ping.")
                return
        self._offences = 0

    def _allowed(self) -> bool:
        now = time.time()
        self._ops = min(OPS_AT_ONCE, self._ops + (now - self._ops_at) * OPS_PER_S)
        self._ops_at = now
        if self._ops < 1:
            return False
        self._ops -= 1
        return True

    def _offend(self, code: str, detail: str) -> None:
        self._offences += 1
        self.refuse(code, detail)
        if self._offences >= OFFENCES_MAX:
            self.close(POLICY, code)

    def refuse(self, code: str, detail: str, **fields: object) -> None:
        """Tell the client what could not be done."""
        live_metrics.REFUSALS.labels(code).inc()
        self.write(error(code, detail, **fields))
