"""Ten thousand WebSocket clients in one process: they connect from many loopback addresses, say one thing, and count frames."""

import asyncio
import base64
import hashlib
import os
import resource
import time
from collections.abc import Callable, Sequence
from typing import cast
from uuid import uuid4

import msgspec

from tests.benchmarks.stack import Bench

PER_ADDRESS = 90
"""The live process takes 100 of one address."""

AT_ONCE = 200
TICKETS_AT_ONCE = 2_000
CONNECTED_WITHIN_S = 60.0
FRAMES_WITHIN_S = 30.0


PING = 0x9
PONG = bytes((0x8A, 0x80, 0, 0, 0, 0))
"""Whoever answers no ping is sent away."""


class Crowd:
    """All clients of one server, and how many frames they have got."""

    def __init__(self) -> None:
        self.frames = 0
        self.lost = 0
        self._clients: list[Client] = []
        self._expected = 0
        self._there = asyncio.Event()

    async def enter(
        self, port: int, paths: Sequence[str], says: Callable[[int], bytes | None], *, first: int = 0
    ) -> None:
        """Connect one client per path; a client that says something waits for one frame back.

        Raises TimeoutError when they do not all get in.
        """
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            for start in range(0, len(paths), AT_ONCE):
                some = range(start, min(start + AT_ONCE, len(paths)))
                await asyncio.gather(*(self._enter(port, paths[i], says(first + i), first + i) for i in some))
        self.frames = 0

    async def _enter(self, port: int, path: str, says: bytes | None, number: int) -> None:
        client = Client(self, path, says)
        neighbourhood = 2 + number // PER_ADDRESS
        address = (f"127.1.{neighbourhood // 250}.{neighbourhood % 250 + 1}", 0)
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port, local_addr=address)
        await client.ready
        self._clients.append(client)

    def got(self, frames: int) -> None:
        """A client got frames."""
        self.frames += frames
        if self.frames >= self._expected:
            self._there.set()

    def expect(self, frames: int) -> None:
        """So many more frames are to come."""
        self._expected = self.frames + frames
        self._there.clear()

    async def all_there(self) -> None:
        """Wait for the frames expected; raises TimeoutError."""
        async with asyncio.timeout(FRAMES_WITHIN_S):
            await self._there.wait()

    async def leave(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.transport.abort()
        self._clients.clear()
        await asyncio.sleep(0.5)


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, crowd: Crowd, path: str, says: bytes | None) -> None:
        self._crowd = crowd
        self._path = path
        self._says = says
        self._open = False
        self._buffer = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.transport.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone, by whomever."""
        self._crowd.lost += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"the server let nobody in: {self._buffer[:200]!r}"))

    def data_received(self, data: bytes) -> None:
        """The upgrade, then frames."""
        buffer = self._buffer + data if self._buffer else data
        if not self._open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0 or not buffer.startswith(b"HTTP/1.1 101"):
                self._buffer = buffer
                return
            self._open = True
            buffer = buffer[end + 4 :]
            if self._says is None:
                self.ready.set_result(None)
            else:
                self.transport.write(masked(self._says))
        frames, at = 0, 0
        while (size := _frame(buffer, at)) is not None:
            if buffer[at] & 0x0F == PING:
                self.transport.write(PONG)
            else:
                frames += 1
            at += size
        self._buffer = buffer[at:] if at else buffer
        if frames:
            if not self.ready.done():
                self.ready.set_result(None)
            self._crowd.got(frames)


def _frame(buffer: bytes, at: int) -> int | None:
    """The length of the frame at a place, None while it is not whole."""
    have = len(buffer) - at
    if have < 2:
        return None
    size = buffer[at + 1] & 0x7F
    head = 2
    if size == 126:
        head, size = 4, int.from_bytes(buffer[at + 2 : at + 4], "big")
    elif size == 127:
        head, size = 10, int.from_bytes(buffer[at + 2 : at + 10], "big")
    return head + size if have >= head + size else None


def masked(payload: bytes) -> bytes:
    """A text frame from a client, with the mask 0."""
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload))) + b"\0\0\0\0" + payload


async def tickets(bench: Bench, count: int) -> list[str]:
    """Paths with tickets of people who are logged in, put where the edge puts them; they serve for 30 s."""
    redis = bench.redis()
    pipeline = redis.pipeline(transaction=False)
    now = time.time()
    texts = [uuid4().hex for _ in range(count)]
    for text in texts:
        told = {"sub": str(uuid4()), "roles": ["buyer"], "sid": str(uuid4()), "iat": now, "exp": now + 86_400}
        pipeline.set(f"ticket:{hashlib.sha256(text.encode()).hexdigest()}", msgspec.json.encode(told), ex=30)
    await pipeline.execute()
    await redis.aclose()
    return [f"/ws?ticket={text}" for text in texts]


async def watch(bench: Bench, crowd: Crowd, auctions: Sequence[str], count: int, *, first: int = 0) -> None:
    """Let so many clients watch the auctions at the live process, in turn; `first` are there already."""

    def says(number: int) -> bytes:
        return b'{"op":"subscribe","auctionId":"%b"}' % auctions[number % len(auctions)].encode()

    for start in range(first, first + count, TICKETS_AT_ONCE):
        paths = await tickets(bench, min(TICKETS_AT_ONCE, first + count - start))
        await crowd.enter(bench.edge.live_port, paths, says, first=start)


def files_needed(count: int) -> None:
    """Raise this process's limit of open files as far as it may go; raises OSError when that is too low."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OSError(f"{wanted} open files are needed, {hard} are allowed: ulimit -Hn {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
