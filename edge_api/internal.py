"""The internal listener's routes of the specification (Microservices Communication Patterns): for our own processes only.

GET /internal/users/{userId} and POST /internal/payments/validate. They never stand on the public port.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
import structlog

from consumers.runtime.health import Answer
from edge_api import payment_views, people_views
from edge_api.bodies import read
from edge_api.edge import Edge
from edge_api.people_views import card
from edge_api.problems import MEDIA_TYPE, Problem, body, bug, problem_of
from edge_api.service_tokens import HEADER, ServiceTokens
from schemas.envelope import Request as JsonRequest
from schemas.money import Money

PREFIX = "/internal/"
_USER = re.compile(r"/internal/users/([0-9a-fA-F-]{36})")
_VALIDATE = "/internal/payments/validate"

log = structlog.get_logger("internal")


class ValidatePayment(JsonRequest):
    """POST /internal/payments/validate: may this person pay this amount for this auction?"""

    auction_id: UUID
    user_id: UUID
    amount: Money


class InternalRoutes:
    """Answers for the edge's own listener; who calls must show a service token."""

    def __init__(self, edge: Edge) -> None:
        """Take the edge, whose views are read."""
        self._edge = edge
        self._tokens = ServiceTokens(edge.settings)

    async def __call__(self, method: str, path: str, headers: Mapping[str, str], said: bytes) -> Answer | None:
        """The answer, or None for an address that is not one of these."""
        if not path.startswith(PREFIX):
            return None
        try:
            caller = self._tokens.read(headers.get(HEADER))
            log.info("internal call", method=method, path=path, service=caller)
            return Answer(200, "application/json", msgspec.json.encode(await self._answer(method, path, said)))
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("an internal call failed", path=path)
                problem = bug()
            return Answer(problem.status_code, MEDIA_TYPE, msgspec.json.encode(body(problem, "")))

    async def _answer(self, method: str, path: str, said: bytes) -> dict[str, Any]:
        if (found := _USER.fullmatch(path)) is not None:
            _must_be(method, "GET")
            return await self._user(found[1])
        if path == _VALIDATE:
            _must_be(method, "POST")
            return await self._validate(read(ValidatePayment, said))
        raise Problem("route_not_found", "There is nothing at this address.")

    async def _user(self, text: str) -> dict[str, Any]:
        try:
            user_id = UUID(text)
        except ValueError:
            raise Problem("user_not_found", "There is no such user.") from None
        profile = (await people_views.profiles(self._edge, [user_id])).get(user_id)
        if profile is None:
            raise Problem("user_not_found", "There is no such user.")
        return card(profile, user_id)

    async def _validate(self, asked: ValidatePayment) -> dict[str, Any]:
        order = await payment_views.order_to_pay(self._edge, asked.auction_id, asked.user_id)
        fits = order is not None and order["state"] == "awaiting_payment" and order["total_minor"] == asked.amount
        methods = await payment_views.methods(self._edge, asked.user_id) if fits else []
        return {"valid": fits, "paymentMethods": methods}


def _must_be(method: str, wanted: str) -> None:
    if method != wanted:
        raise Problem("method_not_allowed", f"This address takes {wanted}.")
