"""The HTTP server of the edge: uvicorn on uvloop and httptools, with bounds on a request's head and our own 400."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from compose.settings import Settings
from edge_api.front_door import ALWAYS
from edge_api.problems import MEDIA_TYPE, Problem, body

BACKLOG = 2_048
KEEP_ALIVE_S = 75
"""Longer than clients and proxies keep a connection idle (60 s), so that none sends into one that is being closed."""

GRACE_S = 2
HEAD_BYTES_MAX = 32_768


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a head larger than HEAD_BYTES_MAX, which the parser alone would collect without end."""

    _in_head = False
    _began = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and end a connection whose head does not come to its end."""
        self._began = False
        super().data_received(data)
        if not self._in_head:
            return
        # Where in this chunk the head began is not known: what was read of it counts, later chunks count whole.
        self._head_bytes = self._read_bytes() if self._began else self._head_bytes + len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = self._began = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head has come to its end; raises for one that is too large, which the parser answers with 400."""
        self._in_head = False
        if self._read_bytes() > HEAD_BYTES_MAX:
            raise httptools.HttpParserError("head too large")
        super().on_headers_complete()

    def _read_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def send_400_response(self, msg: str) -> None:
        """Tell what HTTP itself was broken, in the form of every other problem."""
        problem = Problem("bad_request", msg)
        content = json.dumps(body(problem, "")).encode()
        head = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % header for header in ALWAYS)]
        head += [b"content-type: " + MEDIA_TYPE.encode(), b"content-length: %d" % len(content), b"connection: close"]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + content)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server, stopped by `should_exit` alone: signals are the process's own matter."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals as they are."""
        yield


def server_of(app: ASGIApp, settings: Settings) -> Server:
    """The server of an application; `serve()` runs it until `should_exit`."""
    config = uvicorn.Config(
        app,
        host=settings.edge_host,
        port=settings.edge_port,
        http=BoundedProtocol,
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config)
