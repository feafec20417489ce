"""A CDN stand-in of a test's own: real nginx in front of a bucket, an edge and a marker that write down what they are asked."""

import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_der_private_key

from compose import envfile
from compose.servers import cdn
from compose.settings import parse_signing_keys
from compose.stack import Stack
from tests.compose.waiting import until

START_S_MAX = 10
ETAG = '"an-etag"'
BODY = bytes(range(256)) * 8


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Origin(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.gone: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Origin

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers))
        gone = self.path.partition("?")[0] in self.server.gone
        status = 404 if gone else 304 if headers.get("if-none-match") == ETAG else 200
        body = BODY if status == 200 else b""
        self.send_response(status)
        for name, value in (
            ("Content-Length", str(len(body))),
            ("Content-Type", "video/mp4"),
            ("ETag", ETAG),
            ("x-amz-request-id", "1"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Delivery:
    """The running CDN, its origins, and its keys."""

    def __init__(self, stack: Stack, env: dict[str, str], origins: dict[str, _Origin]) -> None:
        self._port = stack.port("cdn")
        self._origins = origins
        self.cache = stack.data / "cdn" / "cache"
        self.base = env["CDN_URL"]
        self.secret = env["CDN_ORIGIN_SECRET"]
        self.s3 = env["S3_ACCESS_KEY"], env["S3_SECRET_KEY"], env["S3_ENDPOINT"]
        self.signers = {
            key_id: signer(key_id, der) for key_id, der in parse_signing_keys(env["CDN_SIGNING_KEYS"]).items()
        }

    @property
    def signer(self) -> CloudFrontSigner:
        """With the first key."""
        return next(iter(self.signers.values()))

    def asked(self, origin: str = "bucket") -> list[tuple[str, dict[str, str]]]:
        """Paths and headers that an origin was asked for."""
        return self._origins[origin].asked

    def gone(self, path: str) -> None:
        """Let the bucket not have it any more."""
        self._origins["bucket"].gone.add(f"/marketplace-media{path}")

    def ask(self, address: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for an address exactly as it is written."""
        line = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            line.request(method, address.removeprefix(self.base), headers=named)
            answer = line.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, said, answer.read())
        finally:
            line.close()


def signer(key_id: str, der: bytes) -> CloudFrontSigner:
    """CloudFront's signer, as botocore has it."""
    key: Any = load_der_private_key(der, password=None)
    return CloudFrontSigner(key_id, lambda text: key.sign(text, PKCS1v15(), SHA1()))


@contextmanager
def delivering(folder: Path) -> Iterator[Delivery]:
    """A CDN while the block runs."""
    stack = _stack(folder)
    env = envfile.addresses(stack) | envfile.fresh_secrets()
    env["CDN_SIGNING_KEYS"] += f",KNEXT:{envfile.signing_key()}"
    ports = {"bucket": stack.port("s3"), "edge": stack.port("edge"), "marker": stack.internal_port("marker")}
    origins = {name: _Origin(port) for name, port in ports.items()}
    for origin in origins.values():
        Thread(target=origin.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    cdn.prepare(stack, env)
    nginx = subprocess.Popen(cdn.command(stack))
    try:
        until(lambda: not cdn.ready(stack, env) or nginx.poll() is not None, seconds=START_S_MAX, what="nginx answers")
        assert nginx.poll() is None, "nginx ended"
        yield Delivery(stack, env, origins)
    finally:
        nginx.terminate()
        nginx.wait()
        for origin in origins.values():
            origin.shutdown()
            origin.server_close()


def _stack(folder: Path) -> Stack:
    while True:
        stack = Stack("delivery", random.randrange(20_000, 50_000), folder)
        wanted = (stack.port("cdn"), stack.port("s3"), stack.port("edge"), stack.internal_port("marker"))
        if all(_free(port) for port in wanted):
            return stack


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
