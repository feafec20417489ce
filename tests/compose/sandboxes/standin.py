"""A SendGrid stand-in of a test's own: its own process, port, key and data."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from compose.stack import ROOT

KEY = "SG.a-key-of-a-test"
SENDER = "hello@marketplace.example"
START_S_MAX = 20
NOT_OURS = frozenset({"MARKETPLACE_ENV", "MARKETPLACE_STACK"})


class Standin:
    """One running stand-in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=10)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on its port and data, and wait until it is ready."""
        environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS} | {
            "ENVIRONMENT": "local",
            "SENDGRID_API_KEY": KEY,
            "SENDGRID_HOST": self.url,
            "MAIL_FROM": SENDER,
            "MARKETPLACE_STACK": str(self._folder),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "compose.sandboxes.sendgrid"], cwd=ROOT, env=environment
        )
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

    def mail(self, to: str | None = None) -> list[dict[str, Any]]:
        """Sent messages, newest first."""
        items: list[dict[str, Any]] = self.http.get("/sandbox/messages", params={"to": to} if to else {}).json()[
            "items"
        ]
        return items

    def fault(self, **switch: object) -> None:
        """Turn a fault switch on."""
        self.http.post("/sandbox/faults", json=switch).raise_for_status()

    def forget(self) -> None:
        """No mail, no faults."""
        self.http.delete("/sandbox/messages").raise_for_status()
        self.http.delete("/sandbox/faults").raise_for_status()


@contextmanager
def running(folder: Path) -> Iterator[Standin]:
    """A stand-in that keeps its data in a folder."""
    standin = Standin(folder)
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
