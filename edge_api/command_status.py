"""GET /commands/{id}: what became of a command that was not decided while its sender waited."""

from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec
from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from edge_api.answers import respond
from edge_api.asked import Asked, json_response, unsealed
from edge_api.asking import status_url
from edge_api.codes import CODES
from edge_api.edge import Edge, edge_of
from edge_api.problems import Problem
from edge_api.provided import StillComing
from edge_api.routing import MaybeSignedIn, router, says
from edge_api.shapes import CommandOutcome
from edge_api.visit import visit_of
from schemas.envelope import Reply
from schemas.registry import BY_NAME
from schemas.sealed import CannotOpen
from topics.catalog import AUCTION_COMMANDS, PAYMENT_COMMANDS, USER_COMMANDS, VIDEO_COMMANDS

routes = router("commands")

AT_BIDS = "SELECT command_type, aggregate, actor, reply FROM bids.command_view WHERE command_id = $1"
AT_ACCOUNTS = "SELECT command_type, aggregate, actor, reply FROM accounts.command_view WHERE command_id = $1"
AT_PAYMENTS = "SELECT command_type, aggregate, actor, reply FROM payments.command_view WHERE command_id = $1"
AT_TRANSCODING = "SELECT command_type, aggregate, actor, reply FROM transcoding.command_view WHERE command_id = $1"

PLACES = {
    AUCTION_COMMANDS.name: AT_BIDS,
    USER_COMMANDS.name: AT_ACCOUNTS,
    PAYMENT_COMMANDS.name: AT_PAYMENTS,
    VIDEO_COMMANDS.name: AT_TRANSCODING,
}

REFUSALS = tuple(code for code, told in CODES.items() if 401 <= told.status <= 429 and code != "login_required")

_read_reply = msgspec.json.Decoder(Reply).decode


@routes.get(
    "/commands/{command_id}",
    **says("What became of a command", CommandOutcome, signed_in=None, refuses=REFUSALS),
)
async def status(
    request: Request, caller: MaybeSignedIn, command_id: Annotated[UUID, Path(description="As in the 202.")]
) -> Response:
    """For its sender only: pending, accepted with the answer, or the problem with which it was refused."""
    edge, visit = edge_of(request), visit_of(request)
    senders = {edge.anonymous(visit.address).id} | (set() if caller is None else {str(caller.user_id)})
    kept = await _kept(edge, command_id)
    decided = await _decided(edge, command_id, kept)
    if decided is not None and decided["actor"] in senders:
        asked = kept or Asked(decided["command_type"], command_id, decided["actor"], decided["aggregate"], {})
        try:
            return await _told(edge, asked, _read_reply(decided["reply"]))
        except StillComing:
            return _still_pending(command_id)
    if decided is None and kept is not None and kept.actor_id in senders:
        return _still_pending(command_id)
    raise Problem("command_not_found", "There is no such command of yours.")


def _still_pending(command_id: UUID) -> Response:
    return json_response({"commandId": str(command_id), "status": "pending", "statusUrl": status_url(command_id)})


async def _kept(edge: Edge, command_id: UUID) -> Asked | None:
    try:
        text = await edge.redis.get(f"command:{command_id}")
        return None if text is None else unsealed(edge.seal, command_id, str(text))
    except CannotOpen:
        return None


async def _decided(edge: Edge, command_id: UUID, kept: Asked | None) -> asyncpg.Record | None:
    # Whose log holds it follows from what was asked; without that all are looked at.
    for sql in _places(kept):
        if (row := await edge.row(sql, command_id)) is not None:
            return row
    return None


def _places(kept: Asked | None) -> tuple[str, ...]:
    return tuple(PLACES.values()) if kept is None else (PLACES[BY_NAME[kept.name].topic],)


async def _told(edge: Edge, asked: Asked, reply: Reply) -> Response:
    answer = await respond(edge, asked, reply)
    return json_response(
        {"commandId": str(asked.command_id), "status": "accepted", "answer": msgspec.Raw(bytes(answer.body))}
    )
