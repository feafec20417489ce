"""How Stripe is asked: what its errors mean for a job, and how an effect is had once although it is asked for again."""

import email.utils
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

import stripe
import structlog

from consumers.payments import reading
from consumers.payments.declines import Decline, decline
from consumers.payments.provider import Intent
from consumers.runtime import TryAgain

log = structlog.get_logger("stripe")

WAIT_S_MAX = 3_600.0
"""The longest that we let Stripe send us away for."""

_WRONG_STATE = frozenset(
    {
        "payment_intent_unexpected_state",
        "payment_intent_payment_attempt_expired",
        "setup_intent_unexpected_state",
        "charge_already_refunded",
        "charge_disputed",
        "charge_already_captured",
    }
)


class Declined(Exception):
    """The card was not charged; `intent` is the attempt, which can be paid with another card."""

    def __init__(self, why: Decline, intent: Intent | None) -> None:
        super().__init__(why.code)
        self.why = why
        self.intent = intent


class Refused(Exception):
    """Stripe will never do this; `code` is Stripe's, `param` the parameter at fault."""

    def __init__(self, code: str, param: str | None = None) -> None:
        super().__init__(f"Stripe refuses: {code}" + (f" ({param})" if param else ""))
        self.code = code
        self.param = param


class NotThere(Refused):
    """Stripe knows no such object."""


class WrongState(Refused):
    """The object is in another state than we thought: look at it anew."""


class KeyReused(Refused):
    """The same idempotency key came with other parameters: a bug of ours, nothing happened."""


class SpoiltKey(TryAgain):
    """Stripe answers this key with the error of an earlier attempt, for as long as it remembers the key."""


class _Marked(Protocol):
    @property
    def metadata(self) -> dict[str, str]: ...


Answer = TypeVar("Answer")
Marked = TypeVar("Marked", bound=_Marked)


async def asked(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Stripe's answer; its errors as TryAgain, Declined and Refused."""
    try:
        return await call()
    except stripe.StripeError as error:
        raise meaning(error) from error


async def effect(call: Callable[[stripe.RequestOptions], Awaitable[Answer]], key: UUID) -> Answer:
    """Stripe's answer to something that changes the world, under a job's id as its idempotency key."""
    return await asked(lambda: call({"idempotency_key": str(key)}))


async def once(
    make: Callable[[stripe.RequestOptions], Awaitable[Marked]],
    list_made: Callable[[], Awaitable[Iterable[Marked]]],
    *,
    key: UUID,
    again: bool,
) -> Marked:
    """Have one thing made for a job. If it may have been asked before it is looked for first, by the job's id in its metadata.

    A key that is spoilt by a 500 of an attempt which had no effect is replaced by one derived from it.
    """
    if again:
        found = _of_job(key, await list_made())
        if found is not None:
            return found
    try:
        return await effect(make, key)
    except SpoiltKey:
        found = _of_job(key, await list_made())
        if found is not None:
            return found
        return await asked(lambda: make({"idempotency_key": f"{key}-anew"}))


def _of_job(key: UUID, made: Iterable[Marked]) -> Marked | None:
    return next((one for one in made if one.metadata.get("job_id") == str(key)), None)


async def pages(call: Callable[[Any], Awaitable[Any]], wanted: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Every object of a list, page after page; `wanted` are the list's parameters."""
    last: str | None = None
    while True:
        place = {} if last is None else {"starting_after": last}
        page = await asked(partial(call, wanted | place))
        for one in page.data:
            yield reading.plain(one)
        if not page.has_more:
            return
        last = page.data[-1].id


def meaning(error: stripe.StripeError) -> Exception:
    """What an error of the SDK means for a job."""
    status = error.http_status
    if isinstance(error, stripe.CardError):
        return _declined(error)
    if isinstance(error, stripe.IdempotencyError):
        # 409 with this type: the first request under the key is still under way.
        if status == 409:
            return TryAgain("Stripe is still at an earlier attempt")
        return KeyReused("idempotency_error")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # The order is not at fault: it waits until an operator has set the right key.
        log.error("Stripe refuses us: check STRIPE_SECRET_KEY", status=status)
        return TryAgain(f"Stripe answered {status}")
    if isinstance(error, stripe.APIConnectionError) or status is None:
        return TryAgain(f"no answer from Stripe ({type(error.__cause__ or error).__name__})")
    if status in (409, 429) or isinstance(error, stripe.RateLimitError):
        return TryAgain(f"Stripe answered {status}", after_s=_wait_s(error.headers or {}))
    if status >= 500 or status < 400:
        spoilt = (error.headers or {}).get("idempotent-replayed") == "true"
        return (SpoiltKey if spoilt else TryAgain)(f"Stripe answered {status}")
    return _refused(error)


def _refused(error: stripe.StripeError) -> Refused:
    # Stripe's sentences may repeat what was sent, and reasons are logged: codes and names of parameters only.
    code = _word(error.code) or "invalid_request"
    param = _word(getattr(error, "param", None))
    if code == "resource_missing" or error.http_status == 404:
        return NotThere(code, param)
    return (WrongState if code in _WRONG_STATE else Refused)(code, param)


def _word(text: str | None) -> str | None:
    return text if text and re.fullmatch(r"[A-Za-z0-9_\[\]]{1,80}", text) else None


def _declined(error: stripe.CardError) -> Declined:
    told = error.error
    body: Mapping[str, Any] = reading.plain(told) if told is not None else {}
    attempt = body.get("payment_intent")
    return Declined(
        decline(error.code, body.get("decline_code")), reading.intent(attempt) if attempt is not None else None
    )


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until we may come back, from `Retry-After` (RFC 9110)."""
    after = headers.get("retry-after", "").strip()
    if after.isdecimal():
        wait_s = float(after)
    elif after:
        try:
            wait_s = email.utils.parsedate_to_datetime(after).timestamp() - time.time()
        except ValueError:
            return None
    else:
        return None
    # "Now" would make us ask without a pause: our own growing delays are better.
    return min(wait_s, WAIT_S_MAX) if wait_s > 0 else None
