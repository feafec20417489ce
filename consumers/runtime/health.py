"""The internal listener of a process: /health (alive), /ready (may take work), /metrics (Prometheus), and what else it serves."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

READ_WITHIN_S = 5.0
HEAD_BYTES_MAX = 8_192
BODY_BYTES_MAX = 16_384

Trouble = Callable[[], Mapping[str, str]]
"""Names what is wrong, by part; nothing is wrong when it is empty."""


class Answer(NamedTuple):
    """What is answered to an internal request."""

    status: int
    content_type: str
    body: bytes


More = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Answer | None]]
"""(method, path, headers by lower-case name, body) -> an answer, or None where the path is not its own."""


class Health:
    """Answers for one process, on a loopback or cluster-internal address; `more` are routes of the process's own."""

    def __init__(self, *, trouble: Trouble, waiting: Trouble, more: More | None = None) -> None:
        self._trouble = trouble
        self._waiting = waiting
        self._more = more
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=HEAD_BYTES_MAX)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer_of(head, reader))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer_of(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        if self._more is None:
            return self.answer(head)
        method, path, headers = _read(head)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdecimal() or len(length) > 9 or int(length) > BODY_BYTES_MAX:
            return _response("413 Content Too Large", b"", "text/plain")
        found = await self._more(method, path, headers, await reader.readexactly(int(length)))
        if found is None:
            return self.answer(head)
        return _response(f"{found.status} {HTTPStatus(found.status).phrase}", found.body, found.content_type)

    def answer(self, head: bytes) -> bytes:
        """The HTTP response to a request's head."""
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"", "text/plain")
        if path == b"/health":
            return _report(self._trouble())
        if path == b"/ready":
            return _report({**self._trouble(), **self._waiting()})
        if path == b"/metrics":
            return _response("200 OK", generate_latest(), CONTENT_TYPE_LATEST)
        return _response("404 Not Found", b"", "text/plain")


def _read(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    method, _, target = first.partition(" ")
    pairs = (line.partition(":") for line in rest if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return method, target.partition(" ")[0].partition("?")[0], headers


def _report(wrong: Mapping[str, str]) -> bytes:
    status = "503 Service Unavailable" if wrong else "200 OK"
    body = json.dumps({"status": "failing" if wrong else "ok", **({"reasons": dict(wrong)} if wrong else {})})
    return _response(status, body.encode(), "application/json")


def _response(status: str, body: bytes, content_type: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
