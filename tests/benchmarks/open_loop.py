"""Open-loop load: each request has its intended time, is sent then whatever became of the others, and is timed from then."""

import asyncio
import ctypes
import os
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from tests.benchmarks.protocol import percentile

CONNECTIONS_FIRST = 32
CONNECTIONS_MAX = 1_024
LATE_ANSWERS_S = 10.0
_libc = ctypes.CDLL(None, use_errno=True)
_NONBLOCK = os.O_NONBLOCK


@contextmanager
def ticks(rate: float, tick: Callable[[int], None]) -> Iterator[None]:
    """Call `tick(n)` when n more periods have passed, on the kernel's timer: a loop's own timers round to milliseconds."""
    fd = _libc.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK)
    period_ns = int(1e9 / rate)
    spec = struct.pack("qqqq", *divmod(period_ns, 10**9), *divmod(period_ns, 10**9))
    if fd < 0 or _libc.timerfd_settime(fd, 0, spec, None):
        raise OSError(ctypes.get_errno(), "timerfd")
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, lambda: tick(struct.unpack("Q", os.read(fd, 8))[0]))
    try:
        yield
    finally:
        loop.remove_reader(fd)
        os.close(fd)


@dataclass
class Answers:
    """What came of a load: latencies in ms by the intended time, statuses, and what never came."""

    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)
    sent: int = 0

    @property
    def missing(self) -> int:
        """Requests that got no answer in time."""
        return self.sent - sum(self.statuses.values())

    def told(self) -> dict[str, float]:
        """In numbers."""
        return {
            "sent": self.sent,
            "missing": self.missing,
            **{f"status_{status}": count for status, count in sorted(self.statuses.items())},
            "p50_ms": round(percentile(self.latencies_ms, 0.5), 3),
            "p90_ms": round(percentile(self.latencies_ms, 0.9), 3),
            "p99_ms": round(percentile(self.latencies_ms, 0.99), 3),
            "max_ms": round(max(self.latencies_ms, default=0), 3),
        }


class Line(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._buffer = b""
        self._intended = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Its request, if it had one, stays unanswered."""
        self._load.lost(self)

    def send(self, request: bytes, intended: float) -> None:
        """Send a request that was due at `intended`."""
        self._intended = intended
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Gather one answer."""
        buffer = self._buffer + data if self._buffer else data
        head_end = buffer.find(b"\r\n\r\n")
        if head_end < 0:
            self._buffer = buffer
            return
        at = buffer.lower().find(b"content-length:", 0, head_end)
        if at < 0:
            raise ValueError("an answer without content-length")
        whole = head_end + 4 + int(buffer[at + 15 : buffer.index(b"\r\n", at)])
        if len(buffer) < whole:
            self._buffer = buffer
            return
        self._buffer = b""
        self._load.answered(self, int(buffer[9:12]), buffer[head_end + 4 : whole], self._intended)


class Load:
    """Sends what `request(number)` makes to one address, at a rate, for so many seconds."""

    def __init__(self, port: int, request: Callable[[int], bytes], *, keep_bodies: bool = False) -> None:
        self._port = port
        self._request = request
        self._keep_bodies = keep_bodies
        self._idle: deque[Line] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._lines = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._answers = Answers()
        self._number = 0
        self._whole = asyncio.Event()

    async def open(self) -> None:
        """Open the first connections."""
        await asyncio.gather(*(self._open() for _ in range(CONNECTIONS_FIRST)))

    async def _open(self) -> None:
        self._lines += 1
        _, line = await asyncio.get_running_loop().create_connection(lambda: Line(self), "127.0.0.1", self._port)
        self._free(line)

    @property
    def total(self) -> int:
        """Requests sent so far, warm-up included."""
        return self._number

    def close(self) -> None:
        """Close all connections."""
        for line in self._idle:
            line.transport.close()

    async def run(self, rate: float, seconds: float) -> Answers:
        """One measurement; answers that come later than LATE_ANSWERS_S after its end are missing."""
        answers = self._answers = Answers()
        total = round(rate * seconds)
        began = time.perf_counter()
        done = asyncio.Event()

        def tick(periods: int) -> None:
            for _ in range(min(periods, total - answers.sent)):
                answers.sent += 1
                self._send(self._request(self._number), began + answers.sent / rate)
                self._number += 1
            if answers.sent == total:
                done.set()

        with ticks(rate, tick):
            await done.wait()
        self._whole.clear()
        if answers.missing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._whole.wait(), LATE_ANSWERS_S)
        return answers

    def _send(self, request: bytes, intended: float) -> None:
        if self._idle:
            self._idle.pop().send(request, intended)
            return
        self._waiting.append((request, intended))
        if self._lines < CONNECTIONS_MAX:
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _free(self, line: Line) -> None:
        if self._waiting:
            line.send(*self._waiting.popleft())
        else:
            self._idle.append(line)

    def answered(self, line: Line, status: int, body: bytes, intended: float) -> None:
        """An answer came."""
        answers = self._answers
        answers.latencies_ms.append((time.perf_counter() - intended) * 1000)
        answers.statuses[status] += 1
        if self._keep_bodies:
            answers.bodies.append(body)
        if not answers.missing:
            self._whole.set()
        self._free(line)

    def lost(self, line: Line) -> None:
        """A connection is gone."""
        self._lines -= 1
        if line in self._idle:
            self._idle.remove(line)


def http_post(path: str, body: bytes, *headers: str) -> bytes:
    """A POST request as it goes over the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: bench",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
