"""What is remembered of a command, so that its outcome can be told later as it would have been told at once."""

from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from starlette.responses import Response

from schemas.envelope import time_ms
from schemas.sealed import TopicSeal

FIELD = "asked"


class Asked(NamedTuple):
    """A command, who sent it, and what its answer needs beside the worker's own (`kept`)."""

    name: str
    command_id: UUID
    actor_id: str
    aggregate: UUID
    kept: dict[str, Any]

    def sealed(self, seal: TopicSeal) -> str:
        """As it is stored: sealed, since what is kept may be an e-mail address."""
        text = msgspec.json.encode([self.name, self.actor_id, self.aggregate, self.kept]).decode()
        return seal.seal(text, message_id=str(self.command_id), field=FIELD, at_s=time_ms() // 1000)


def unsealed(seal: TopicSeal, command_id: UUID, text: str) -> Asked:
    """What `Asked.sealed` stored; raises CannotOpen."""
    opened = seal.open(text, message_id=str(command_id), field=FIELD)
    name, actor_id, aggregate, kept = msgspec.json.decode(opened)
    return Asked(name, command_id, actor_id, UUID(aggregate), kept)


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
