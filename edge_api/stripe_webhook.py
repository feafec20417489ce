"""POST /payments/webhook: Stripe says that something happened. Verified, appended to the topic, answered; nothing is decided."""

import time
from typing import Any
from uuid import UUID

import msgspec
import structlog
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from edge_api.edge import edge_of
from edge_api.lean import LeanRoute
from edge_api.order_shapes import Received
from edge_api.problems import Problem
from edge_api.routing import PREFIX, router, says
from edge_api.stripe_signature import HEADER, BadSignature, verify
from edge_api.visit import visit_of
from producers.commands import Command
from schemas.envelope import Actor, print_time
from schemas.envelope import Request as JsonRequest
from schemas.payments import provider_event_command_id, provider_key_of
from schemas.registry import BY_NAME

routes = router("payments")

PATH = f"{PREFIX}/payments/webhook"
STRIPE = Actor("stripe", ("system",))
NAME_LENGTH_MAX = 255
RECEIVED = b'{"received":true}'

log = structlog.get_logger("stripe-webhook")

_RECORD = BY_NAME["RecordProviderEvent"]


class StripeEvent(JsonRequest):
    """An event as Stripe sends it (docs.stripe.com/api/events/object); what else it holds is passed over."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(max_length=NAME_LENGTH_MAX)
    type: str = Field(max_length=NAME_LENGTH_MAX)
    created: int
    livemode: bool
    data: dict[str, Any]


class _Object(msgspec.Struct):
    """What an event is about, as far as it says where it belongs."""

    id: str | None = None
    object: str | None = None
    metadata: dict[str, str] | None = None
    payment_intent: Any = None
    latest_charge: Any = None
    charge: Any = None


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    id: str
    type: str
    created: int
    livemode: bool
    data: _Data
    account: str | None = None


class Told(msgspec.Struct, rename="camel", omit_defaults=True):
    """`RecordProviderEvent` as bytes at a fifth of the cost; a test holds it against the model."""

    provider_event_id: str
    provider_type: str
    created: str
    livemode: bool
    object_type: str | None = None
    object_id: str | None = None
    account: str | None = None
    order_id: UUID | None = None
    user_id: UUID | None = None
    payment_intent_id: str | None = None
    charge_id: str | None = None


_read = msgspec.json.Decoder(_Event).decode
_written = msgspec.json.Encoder().encode


async def take(request: Request) -> Response:
    """Answers 200 as soon as the event stands on the topic; Stripe sends it again after anything else."""
    edge, visit = edge_of(request), visit_of(request)
    body = await request.body()
    try:
        verify(request.headers.get(HEADER), body, secrets=edge.settings.webhook_secrets, now_s=time.time())
    except BadSignature as error:
        log.warning("a webhook is not believed", reason=str(error), request_id=visit.request_id)
        raise Problem("invalid_signature", f"The webhook is not believed: {error}.") from None
    event = _event_of(body)
    if event.livemode != edge.settings.stripe_livemode:
        raise Problem("wrong_mode", "The event is of the other mode (live or test).")
    told = told_of(event)
    await edge.commands.append(
        Command(
            message=_RECORD,
            command_id=provider_event_command_id(event.id),
            aggregate=told.order_id or told.user_id or provider_key_of(told.object_id or event.id),
            data=_written(told),
            actor=STRIPE,
            correlation_id=visit.request_id,
            traceparent=visit.traceparent,
        )
    )
    return Response(RECEIVED, media_type="application/json")


def _event_of(body: bytes) -> _Event:
    try:
        event = _read(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Problem("malformed_json", "The body is not an event of Stripe.") from None
    sane = all(0 < len(name) <= NAME_LENGTH_MAX for name in (event.id, event.type)) and 0 <= event.created < 2**33
    if not sane:
        raise Problem("malformed_json", "The body is not an event of Stripe.")
    return event


def told_of(event: _Event) -> Told:
    """What the worker hears of an event: what it is about and where that belongs, nothing of the person behind it."""
    about = event.data.object
    return Told(
        provider_event_id=event.id,
        provider_type=event.type,
        object_type=about.object,
        object_id=about.id,
        created=print_time(event.created * 1000),
        account=event.account,
        livemode=event.livemode,
        order_id=_written_by_us(about, "order_id"),
        user_id=_written_by_us(about, "user_id"),
        payment_intent_id=about.id if about.object == "payment_intent" else _id_of(about.payment_intent),
        charge_id=about.id if about.object == "charge" else _id_of(about.charge) or _id_of(about.latest_charge),
    )


def _written_by_us(about: _Object, name: str) -> UUID | None:
    try:
        return UUID((about.metadata or {})[name])
    except (KeyError, ValueError):
        return None


def _id_of(said: Any) -> str | None:
    """The id of another object, which Stripe sends alone or, expanded, within the object."""
    found = said.get("id") if isinstance(said, dict) else said
    return found if isinstance(found, str) and found else None


routes.routes.append(
    LeanRoute(
        PATH,
        take,
        methods=["POST"],
        tags=["payments"],
        body=StripeEvent,
        header=HEADER,
        **says(
            "Stripe's events",
            Received,
            body=True,
            signed_in=False,
            refuses=("invalid_signature", "wrong_mode"),
        ),
    )
)
