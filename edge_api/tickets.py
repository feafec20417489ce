"""The server's clock, and tickets with which a socket is opened at the live process."""

import base64
import hashlib
import os

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edge_api.asked import json_response
from edge_api.auth import need_redis
from edge_api.edge import edge_of
from edge_api.routing import MaybeSignedIn, router, says
from edge_api.shapes import LiveTicket, ServerTime
from schemas.envelope import print_time, time_ms

routes = router("live")

TICKET_S = 30
TICKET_BYTES = 32


@routes.get("/time", **says("The server's clock", ServerTime, signed_in=False))
async def server_time(_: Request) -> Response:
    """For countdowns; whether a bid was in time is told by its answer."""
    return json_response({"serverTime": print_time(time_ms())})


@routes.post("/live/ticket", **says("A ticket for a socket", LiveTicket, signed_in=None))
async def ticket(request: Request, caller: MaybeSignedIn) -> Response:
    """Serves once, within 30 s, to open a WebSocket; without a login it lets its holder watch, but not hear of own bids."""
    edge = edge_of(request)
    need_redis(edge)
    text = base64.urlsafe_b64encode(os.urandom(TICKET_BYTES)).rstrip(b"=").decode()
    told = {
        "sub": None if caller is None else str(caller.user_id),
        "roles": [] if caller is None else list(caller.roles),
        "sid": None if caller is None else caller.session_id,
        "iat": None if caller is None else caller.issued_at,
        "exp": None if caller is None else caller.expires_at,
    }
    # Only the hash is stored: who reads Redis cannot open a socket with it.
    name = f"ticket:{hashlib.sha256(text.encode()).hexdigest()}"
    await edge.redis.set(name, msgspec.json.encode(told).decode(), ex=TICKET_S)
    return json_response(
        {
            "url": f"{str(edge.settings.live_url).rstrip('/')}/ws",
            "ticket": text,
            "expiresAt": print_time(time_ms() + TICKET_S * 1000),
        }
    )
