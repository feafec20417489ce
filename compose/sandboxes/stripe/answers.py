"""Answers in Stripe's shape: objects, problems, faults in its words, and references filled in."""

import copy
from typing import Any

from starlette.responses import Response

from compose.sandboxes.faults import Fault
from compose.sandboxes.stripe.attempts import shown
from compose.sandboxes.stripe.problems import Problem
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import World, written

_TOO_MANY = (
    "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits."
)
_IN_USE = (
    "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the "
    "other request is still going through): {}. Please try again later."
)
PUBLIC = frozenset(
    {
        "id", "object", "amount", "amount_details", "automatic_payment_methods", "canceled_at", "cancellation_reason",
        "capture_method", "client_secret", "confirmation_method", "created", "currency", "description",
        "last_payment_error", "last_setup_error", "livemode", "next_action", "payment_method",
        "payment_method_configuration_details", "payment_method_types", "processing", "receipt_email",
        "setup_future_usage", "shipping", "source", "status", "usage",
    }
)  # fmt: skip
"""What an intent shows to a publishable key."""


def answer(
    status: int, body: Body, request_id: str, key: str | None = None, more: dict[str, str] | None = None
) -> Response:
    """An answer with Stripe's headers."""
    headers = {"Request-Id": request_id, "Cache-Control": "no-cache, no-store"} | (more or {})
    if key is not None:
        headers["Idempotency-Key"] = key
    return Response(written(body), status, headers, media_type="application/json")


def refused(problem: Problem, request_id: str) -> Response:
    """A problem as Stripe's error body."""
    log = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return answer(problem.status, {"error": problem.error | {"request_log_url": log}}, request_id)


def in_use(key: str | None) -> Problem:
    """The first request under this key has not been answered yet."""
    words = _IN_USE.format(key)
    return Problem(words, status=409, type="idempotency_error", code="idempotency_key_in_use", kept=False)


def as_fault(fault: Fault, *, request_id: str, key: str | None) -> Response:
    """The error of a fault switch."""
    status = fault.status or 500
    if status == 429:
        problem = Problem(_TOO_MANY, status=429, code="rate_limit")
    elif status == 409:
        problem = in_use(key)
    else:
        problem = Problem("An unknown error occurred", status=status, type="api_error")
    told = refused(problem, request_id)
    if fault.retry_after_s is not None:
        told.headers["Retry-After"] = str(fault.retry_after_s)
    return told


def expand(world: World, body: Any, path: list[str], whole: str) -> None:
    """Put the object itself in the place of its id, along a path such as `latest_charge.balance_transaction`; raises Problem."""
    name, *rest = path
    for one in body if isinstance(body, list) else [body]:
        if not isinstance(one, dict) or name not in one:
            raise Problem(f"This property cannot be expanded ({whole}).", param="expand")
        if isinstance(one[name], str):
            found = world.store.any(one[name])
            if found is None:
                raise Problem(f"This property cannot be expanded ({whole}).", param="expand")
            one[name] = copy.deepcopy(shown(found))
        if rest and one[name] is not None:
            expand(world, one[name], rest, whole)
