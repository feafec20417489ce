"""A way to S3 that fails as networks and providers fail: in front of the stack's real server."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from compose.settings import Settings

CHUNK = 65_536


def answer(status: int, code: str) -> bytes:
    """An error of S3."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()
    head = f"HTTP/1.1 {status} So\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@dataclass
class Fault:
    """What happens to one request: an answer in S3's place, or the real one cut short, stalled, or lost."""

    instead: bytes | None = None
    cut_after: int | None = None
    """Bytes of the answer after which the connection breaks."""
    stall: bool = False
    """Nothing comes after that, but the connection stays."""
    verb: bytes = b""
    """Only a request that begins so."""


@dataclass
class Way:
    """The proxy: faults are used up in order, each by the first request that it fits."""

    port: int = 0
    faults: deque[Fault] = field(default_factory=deque)
    requests: list[bytes] = field(default_factory=list)

    def count(self, verb: bytes) -> int:
        """How many requests began so."""
        return sum(line.startswith(verb) for line in self.requests)


@asynccontextmanager
async def shaky_way(settings: Settings) -> AsyncIterator[tuple[Settings, Way]]:
    """Settings whose S3 is behind the way, and the way."""
    there = urlsplit(str(settings.s3_endpoint))
    way = Way()

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        task.add_done_callback(serving.discard)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await _serve(way, reader, writer, str(there.hostname), int(there.port or 80))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    # The signature covers the host that the client names, and S3 checks it against the same header.
    yield settings.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{way.port}"}), way
    server.close()
    for task in list(serving):
        task.cancel()
    if serving:
        await asyncio.wait(serving)


async def _serve(way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """One request per connection: head and body to S3, its answer back, with the fault that fits."""
    head = await reader.readuntil(b"\r\n\r\n")
    line = head.split(b"\r\n", 1)[0]
    way.requests.append(line)
    fault = next((one for one in way.faults if line.startswith(one.verb)), None)
    if fault is not None:
        way.faults.remove(fault)
    if fault is not None and fault.instead is not None:
        writer.write(fault.instead)
        await writer.drain()
        return
    answers, asks = await asyncio.open_connection(host, port)
    asks.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    forward = asyncio.create_task(_pump(reader, asks, None))
    try:
        await _pump(answers, writer, None if fault is None else fault.cut_after)
        if fault is not None and fault.stall:
            await asyncio.Event().wait()
    finally:
        forward.cancel()
        asks.close()
        with suppress(ConnectionError):
            await asks.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
    left = sys.maxsize if limit is None else limit
    with suppress(ConnectionError):
        while left and (chunk := await reader.read(min(CHUNK, left))):
            writer.write(chunk)
            await writer.drain()
            left -= len(chunk)
