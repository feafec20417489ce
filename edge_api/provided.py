"""Answers that need what the payment provider gives a moment after the worker's yes: waited for, opened, shown to the caller alone.

The worker calls the provider from a job and leaves the secret sealed in its view; so the same command, asked again, has the
same answer, and no secret ever stands in a reply.
"""

import asyncio
import time
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Raw

from edge_api import payment_views
from edge_api.asked import Asked
from edge_api.auction_shown import money
from edge_api.codes import CODES
from edge_api.edge import Edge
from edge_api.people_views import time_text
from edge_api.problems import Problem
from schemas.envelope import Reply

WAIT_S = 20.0
"""With the wait for the decision well below the 45 s that the specification gives a payment route."""
FIRST_LOOK_S = 0.02
LOOK_EVERY_S = 0.25


class StillComing(Exception):
    """The command is decided, what its answer shows is still on its way: 202, ask again."""


async def intent(edge: Edge, _asked: Asked, _reply: Reply, answer: dict[str, Raw]) -> Any:
    """The payment and its client secret (specification, Payment Processing Flow)."""
    payment_id = UUID(msgspec.json.decode(bytes(answer["paymentId"])))
    secret = await _secret(edge, payment_id)
    row = await payment_views.payment(edge, payment_id)
    if row is None:
        raise StillComing
    return {
        "paymentId": str(payment_id),
        "clientSecret": secret,
        "amount": money(row["amount_minor"]),
        "currency": row["currency"],
        "status": row["status"],
        "orderId": str(row["order_id"]),
    }


async def setup(edge: Edge, asked: Asked, _reply: Reply, _answer: dict[str, Raw]) -> Any:
    """The client secret with which a card is kept for later."""
    return {"clientSecret": await _secret(edge, asked.command_id)}


async def onboarding(edge: Edge, asked: Asked, _reply: Reply, _answer: dict[str, Raw]) -> Any:
    """The link to the provider's pages for sellers."""
    row = await _given(edge, asked.command_id)
    expires_at = row["expires_at"]
    return {
        "url": payment_views.opened_secret(edge, row),
        "expiresAt": None if expires_at is None else time_text(expires_at),
    }


async def _secret(edge: Edge, secret_id: UUID) -> str:
    return payment_views.opened_secret(edge, await _given(edge, secret_id))


async def _given(edge: Edge, secret_id: UUID) -> asyncpg.Record:
    """Wait for what the provider gives; raises StillComing, or Problem with why it gave nothing."""
    until, pause_s = time.monotonic() + WAIT_S, FIRST_LOOK_S
    while True:
        row = await payment_views.secret(edge, secret_id)
        if row is not None and row["failure_code"] is not None:
            raise _refused(row)
        if row is not None and row["sealed"] is not None:
            return row
        if time.monotonic() + pause_s > until:
            raise StillComing
        await asyncio.sleep(pause_s)
        pause_s = min(LOOK_EVERY_S, pause_s * 1.5)


def _refused(row: asyncpg.Record) -> Problem:
    code = row["failure_code"] if row["failure_code"] in CODES else "payment_refused"
    return Problem(code, row["failure_message"] or CODES[code].title + ".", more={"reason": row["failure_code"]})
