"""A Stripe stand-in of a test's own: its own process, port, keys and data, and somebody who takes its webhooks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.compose.sandboxes.standin_process import StandinProcess

SECRET_KEY = "sk_test_of_a_test"
PUBLISHABLE_KEY = "pk_test_of_a_test"
WEBHOOK_SECRETS = ("whsec_the_next_of_a_test", "whsec_the_old_of_a_test")


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


class StripeStandin(StandinProcess):
    """One running stand-in."""

    module = "compose.sandboxes.stripe"

    def __init__(self, folder: Path, *, public_url: str | None = None) -> None:
        super().__init__(folder)
        self.taker = Taker()
        self._public_url = public_url or self.taker.url

    def settings(self) -> dict[str, str]:
        """Its address, its keys and who takes its webhooks."""
        return {
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "STRIPE_WEBHOOK_SECRET": ",".join(WEBHOOK_SECRETS),
            "STRIPE_API_BASE": self.url,
            "STRIPE_SANDBOX_PORT": str(self.port),
            "PUBLIC_URL": self._public_url,
        }

    def close(self) -> None:
        """End it for good."""
        super().close()
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
