"""Good examples of what the runtime reads, for tests that need no server."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from consumers.runtime import (
    Inbox,
    Incoming,
    Taken,
    Verdict,
)

COUNTER = UUID(int=7)


def incoming(number: int = 0, *, id: UUID | None = None, fingerprint: bytes | None = None) -> Incoming:  # noqa: A002
    return Incoming(
        topic="commands",
        partition=0,
        offset=number,
        at_ms=0,
        key=str(COUNTER).encode(),
        type="Count",
        id=id or uuid4(),
        aggregate=COUNTER,
        body=None,
        value=b"{}",
        headers={},
        fingerprint=fingerprint,
    )


def inbox(**changes: Any) -> Inbox:
    options: dict[str, Any] = {
        "topic": "commands",
        "group": "processors",
        "takes": {"Count": Taken("trial.count.v1", json.loads)},
        "make_desk": lambda _partition: NoDesk(),
    }
    return Inbox(**{**options, **changes})


class NoDesk:
    async def decide(self, *_: object) -> Verdict:
        return Verdict()


@dataclass
class Record:
    value: bytes | None
    key: bytes | None = str(COUNTER).encode()
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str = "commands"
    partition: int = 0
    offset: int = 3
    timestamp: int = 1_700_000_000_000


def command(**headers: bytes) -> Record:
    value = {"commandId": str(UUID(int=9)), "commandType": "Count", "timestamp": "", "data": {"by": 5}}
    names = {
        "ce_type": b"trial.count.v1",
        "actor": b'{"id":"anna","roles":["buyer"]}',
        **{name.replace("_", "-") if name != "ce_type" else name: text for name, text in headers.items()},
    }
    return Record(json.dumps(value).encode(), headers=list(names.items()))
