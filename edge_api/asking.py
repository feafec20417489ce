"""Ask a worker on behalf of a caller, and turn what it says into the answer: 200/201, the refusal's 4xx, or 202."""

import re
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec
import structlog
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from edge_api import metrics
from edge_api.answers import respond
from edge_api.asked import Asked, json_response
from edge_api.edge import Edge, edge_of
from edge_api.problems import invalid
from edge_api.provided import StillComing
from edge_api.visit import Visit, visit_of
from producers.commands import Command, Pending
from schemas.envelope import Actor, command_id_of, fingerprint_of, new_command_id, time_ms
from schemas.registry import BY_NAME

KEPT_S = 86_400
DEADLINES_MS = {
    "auction-commands": 30_000,
    "user-commands": 10_000,
    "payment-commands": 45_000,
    "video-commands": 60_000,
}
"""How long a command may be on its way (specification, timeouts of the gateway's routes)."""

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

log = structlog.get_logger("asking")


class Sender(NamedTuple):
    """Who sends a command, under which id; `repeatable` when its id came from an Idempotency-Key."""

    actor: Actor
    command_id: UUID
    repeatable: bool

    def new_id(self, kind: str) -> UUID:
        """The id of what the command makes: the same when the command is sent again, else in the order of time."""
        return uuid5(self.command_id, kind) if self.repeatable else new_command_id()


def sender_of(request: Request) -> Sender:
    """The command's sender; raises Problem 422 for a key that is none."""
    visit = visit_of(request)
    actor = visit.caller.actor if visit.caller is not None else edge_of(request).anonymous(visit.address)
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return Sender(actor, new_command_id(), repeatable=False)
    if _KEY.fullmatch(key) is None:
        raise invalid(IDEMPOTENCY_KEY, "must be 1 to 200 visible ASCII characters")
    return Sender(actor, command_id_of(UUID(actor.id), key), repeatable=True)


async def ask(
    request: Request,
    sender: Sender,
    name: str,
    aggregate: UUID,
    data: bytes,
    *,
    asked_for: bytes | None = None,
    kept: dict[str, Any] | None = None,
) -> Response:
    """Send command `name` to the owner of `aggregate` and answer with what became of it.

    `asked_for` is what the fingerprint covers where `data` is sealed anew each time; `kept` is what the answer
    needs beside the worker's own. Raises Unavailable when nothing was published.
    """
    edge, visit = edge_of(request), visit_of(request)
    message = BY_NAME[name]
    asked = Asked(name, sender.command_id, sender.actor.id, aggregate, kept or {})
    command = Command(
        message=message,
        command_id=sender.command_id,
        aggregate=aggregate,
        data=data,
        actor=sender.actor,
        correlation_id=visit.request_id,
        traceparent=visit.traceparent,
        fingerprint=_fingerprint(name, aggregate, data if asked_for is None else asked_for)
        if sender.repeatable
        else None,
        deadline_ms=time_ms() + DEADLINES_MS[message.topic],
    )
    reply = await edge.commands.ask(command, wait_s=edge.settings.decision_wait_ms / 1000)
    if isinstance(reply, Pending):
        return await _pending(edge, visit, asked, reply)
    try:
        return await respond(edge, asked, reply)
    except StillComing:
        return await _pending(edge, visit, asked, Pending(sender.command_id, "provider"))


def _fingerprint(name: str, aggregate: UUID, data: bytes) -> str:
    # What a new thing is called follows from the command's id, so `aggregate` is the same when the command is repeated.
    return fingerprint_of(name, aggregate.bytes + data)


async def _pending(edge: Edge, visit: Visit, asked: Asked, pending: Pending) -> Response:
    metrics.PENDING.labels(pending.reason).inc()
    log.info(
        "no decision in time", command_id=str(asked.command_id), reason=pending.reason, request_id=visit.request_id
    )
    try:
        await edge.redis.set(f"command:{asked.command_id}", asked.sealed(edge.seal), ex=KEPT_S)
    except (RedisError, OSError, TimeoutError) as error:
        # The outcome can still be asked for once it is decided; until then its status is unknown.
        log.warning("a pending command is not remembered", command_id=str(asked.command_id), reason=repr(error))
    url = status_url(asked.command_id)
    return json_response(
        {"commandId": str(asked.command_id), "status": "pending", "statusUrl": url}, 202, {"Location": url}
    )


def status_url(command_id: UUID) -> str:
    """Where the outcome of a command can be asked for."""
    return f"/api/v1/commands/{command_id}"


def to_json(value: object) -> bytes:
    """A JSON value of ours as bytes."""
    return msgspec.json.encode(value)
