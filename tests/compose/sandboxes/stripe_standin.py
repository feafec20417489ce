"""A Stripe stand-in of a test's own: its own process, port, keys and data, and somebody who takes its webhooks."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from compose.stack import ROOT

SECRET_KEY = "sk_test_of_a_test"
PUBLISHABLE_KEY = "pk_test_of_a_test"
WEBHOOK_SECRETS = ("whsec_the_next_of_a_test", "whsec_the_old_of_a_test")
START_S_MAX = 20
NOT_OURS = frozenset({"MARKETPLACE_ENV", "MARKETPLACE_STACK"})


class Taker:
    """Takes webhooks; answers `answer` to all, or what `answers` holds first."""

    def __init__(self) -> None:
        self.answer = 200
        self.answers: list[int] = []
        self.taken: list[tuple[dict[str, Any], str, bytes]] = []
        taker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                taker.taken.append((json.loads(body), self.headers["stripe-signature"], body))
                self.send_response(taker.answers.pop(0) if taker.answers else taker.answer)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def types(self) -> list[str]:
        """Types of the events taken so far, in the order in which they came."""
        return [event["type"] for event, _, _ in self.taken]

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()


class StripeStandin:
    """One running stand-in."""

    def __init__(self, folder: Path, *, public_url: str | None = None) -> None:
        self._folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=10)
        self.taker = Taker()
        self._public_url = public_url or self.taker.url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on its port and data, and wait until it is ready."""
        environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS} | {
            "ENVIRONMENT": "local",
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "STRIPE_WEBHOOK_SECRET": ",".join(WEBHOOK_SECRETS),
            "STRIPE_API_BASE": self.url,
            "STRIPE_SANDBOX_PORT": str(self.port),
            "PUBLIC_URL": self._public_url,
            "MARKETPLACE_STACK": str(self._folder),
        }
        self._process = subprocess.Popen([sys.executable, "-m", "compose.sandboxes.stripe"], cwd=ROOT, env=environment)
        deadline = time.monotonic() + START_S_MAX
        while not self._is_ready():
            assert self._process.poll() is None, "the stand-in ended"
            assert time.monotonic() < deadline, "the stand-in does not answer"

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
                return self.http.get("/ready").status_code == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self.http.close()
        self.taker.close()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Something of the sandbox API: a POST with a body, else a GET."""
        answer = self.http.get(path) if body is None else self.http.post(path, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def js(self, path: str, **form: str) -> httpx.Response:
        """A call that Stripe.js would make, with the publishable key."""
        return self.http.post(path, data={"key": PUBLISHABLE_KEY, **form})

    def requests(self, path: str, method: str = "POST") -> list[dict[str, Any]]:
        """Requests to the API whose path begins so, oldest first."""
        items = self.ask("/sandbox/requests")["items"]
        return [one for one in items if one["path"].startswith(path) and one["method"] == method]

    def totals(self, currency: str = "usd") -> dict[str, int]:
        """Who has what by the stand-in's books."""
        found: dict[str, int] = self.ask("/sandbox/ledger")["totals"].get(currency, {})
        return found

    def fault(self, **switch: object) -> None:
        """Turn a fault switch on."""
        self.http.post("/sandbox/faults", json=switch).raise_for_status()

    def forget(self) -> None:
        """Nothing paid, no faults, no webhooks under way."""
        self.http.delete("/sandbox/faults").raise_for_status()
        self.http.delete("/sandbox").raise_for_status()
        self.taker.answer = 200
        self.taker.answers.clear()
        self.taker.taken.clear()


@contextmanager
def running(folder: Path, *, public_url: str | None = None) -> Iterator[StripeStandin]:
    """A stand-in that keeps its data in a folder; its webhooks go to `public_url`, or to its own taker."""
    standin = StripeStandin(folder, public_url=public_url)
    standin.start()
    try:
        yield standin
    finally:
        standin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
