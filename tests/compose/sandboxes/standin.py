"""A SendGrid stand-in of a test's own: its own process, port, key and data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.compose.sandboxes.standin_process import StandinProcess

KEY = "SG.a-key-of-a-test"
SENDER = "hello@marketplace.example"


class Standin(StandinProcess):
    """One running stand-in."""

    module = "compose.sandboxes.sendgrid"

    def settings(self) -> dict[str, str]:
        """Its address, its key and who may send."""
        return {"SENDGRID_API_KEY": KEY, "SENDGRID_HOST": self.url, "MAIL_FROM": SENDER}

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
