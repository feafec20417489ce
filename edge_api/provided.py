"""Answers that need what the payment provider gives a moment after the worker's yes: waited for, opened, shown to the caller alone.

The worker calls the provider from a job and leaves the secret sealed in its view; so the same command, asked again, has the
same answer, and no secret ever stands in a reply.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
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
    given = await _given(edge, payment_id)

    async def made() -> asyncpg.Record | None:
        # The secret comes with the job's end, the intent's status a moment later with the command that it sends.
        row = await payment_views.payment(edge, payment_id)
        return None if row is None or row["status"] == "creating" else row

    row = await _awaited(made)
    return {
        "paymentId": str(payment_id),
        "clientSecret": payment_views.opened_secret(edge, given),
        "amount": money(row["amount_minor"]),
        "currency": row["currency"],
        "status": row["status"],
        "orderId": str(row["order_id"]),
    }


async def setup(edge: Edge, asked: Asked, _reply: Reply, _answer: dict[str, Raw]) -> Any:
    """The client secret with which a card is kept for later."""
    return {"clientSecret": payment_views.opened_secret(edge, await _given(edge, asked.command_id))}


async def onboarding(edge: Edge, asked: Asked, _reply: Reply, _answer: dict[str, Raw]) -> Any:
    """The link to the provider's pages for sellers."""
    row = await _given(edge, asked.command_id)
    expires_at = row["expires_at"]
    return {
        "url": payment_views.opened_secret(edge, row),
        "expiresAt": None if expires_at is None else time_text(expires_at),
    }


async def _given(edge: Edge, secret_id: UUID) -> asyncpg.Record:
    """Wait for what the provider gives; raises StillComing, or Problem with why it gave nothing."""

    async def given() -> asyncpg.Record | None:
        row = await payment_views.secret(edge, secret_id)
        if row is not None and row["failure_code"] is not None:
            raise _refused(row)
        return None if row is None or row["sealed"] is None else row

    return await _awaited(given)


async def _awaited(look: Callable[[], Awaitable[asyncpg.Record | None]]) -> asyncpg.Record:
    """Look again and again until something is there; raises StillComing."""
    until, pause_s = time.monotonic() + WAIT_S, FIRST_LOOK_S
    while (row := await look()) is None:
        if time.monotonic() + pause_s > until:
            raise StillComing
        await asyncio.sleep(pause_s)
        pause_s = min(LOOK_EVERY_S, pause_s * 1.5)
    return row


def _refused(row: asyncpg.Record) -> Problem:
    code = row["failure_code"] if row["failure_code"] in CODES else "payment_refused"
    return Problem(code, row["failure_message"] or CODES[code].title + ".", more={"reason": row["failure_code"]})
