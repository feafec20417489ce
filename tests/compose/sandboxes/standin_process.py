"""One process of a stand-in, for a test: its own port and data."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from compose.stack import ROOT

START_S_MAX = 20
NOT_OURS = frozenset({"MARKETPLACE_ENV", "MARKETPLACE_STACK"})


class StandinProcess:
    """Starts, crashes and ends; a subclass says with what settings it runs."""

    module: str

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=10)
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self) -> dict[str, str]:
        """The variables it runs with, beside the common ones."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it on its port and data, and wait until it is ready."""
        environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS} | {
            "ENVIRONMENT": "local",
            "MARKETPLACE_STACK": str(self._folder),
            **self.settings(),
        }
        self._process = subprocess.Popen([sys.executable, "-m", self.module], cwd=ROOT, env=environment)
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
