"""The sandbox API of tests and the demo: switches, the bank's decisions, the clock, the books."""

import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from compose.sandboxes.stripe import accounts, disputes, refunds
from compose.sandboxes.stripe.attempts import answer_challenge, shown
from compose.sandboxes.stripe.events import Switch, Webhooks
from compose.sandboxes.stripe.ledger import books
from compose.sandboxes.stripe.problems import Problem
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import World


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Dispute(_Asked):
    payment_intent: str
    kind: Literal["fraudulent", "product_not_received", "inquiry"] = "product_not_received"


class _Outcome(_Asked):
    outcome: Literal["won", "lost"]


class _Refund(_Asked):
    status: Literal["succeeded", "failed"]


class _Account(_Asked):
    outcome: accounts.Outcome


class _Challenge(_Asked):
    approved: bool


class _Clock(_Asked):
    ahead_s: int = Field(ge=0)


class _Send(_Asked):
    times: int = Field(1, ge=1, le=1_000)


class _Release(_Asked):
    event: str | None = None


def routes(world: World, webhooks: Webhooks, requests: deque[Body]) -> list[Route]:
    """The sandbox's own addresses."""

    def done(body: Body) -> Body:
        webhooks.queue()
        world.store.save()
        return shown(body)

    async def opened(_: Request, asked: _Dispute) -> Any:
        intent = world.need("payment_intent", asked.payment_intent, in_path=True)
        charge = world.need("charge", intent["latest_charge"] or "", in_path=True)
        if charge["status"] != "succeeded" or charge["disputed"]:
            raise Problem("Only a charge that succeeded can be disputed, and once.")
        return done(disputes.open_for(world, charge, asked.kind))

    async def settled(request: Request, asked: _Outcome) -> Any:
        found = world.need("dispute", request.path_params["id"], in_path=True)
        return done(disputes.settle(world, found, asked.outcome))

    async def refunded(request: Request, asked: _Refund) -> Any:
        return done(refunds.settle(world, world.need("refund", request.path_params["id"], in_path=True), asked.status))

    async def onboarded(request: Request, asked: _Account) -> Any:
        return done(
            accounts.onboard(world, accounts.living(world, request.path_params["id"], in_path=True), asked.outcome)
        )

    async def challenged(request: Request, asked: _Challenge) -> Any:
        kind = "payment_intent" if request.path_params["id"].startswith("pi_") else "setup_intent"
        found = world.need(kind, request.path_params["id"], in_path=True)
        return done(answer_challenge(world, found, approved=asked.approved))

    async def put_forward(_: Request, asked: _Clock) -> Any:
        world.store.set("ahead_s", asked.ahead_s)
        return {"now": world.now()}

    async def switched(_: Request, asked: Switch) -> Any:
        webhooks.switch(asked)
        return {"items": webhooks.switches()}

    async def released(_: Request, asked: _Release) -> Any:
        count = webhooks.release(asked.event)
        world.store.save()
        return {"released": count}

    async def sent(request: Request, asked: _Send) -> Any:
        event = world.need("event", request.path_params["id"], in_path=True)
        return {"answers": await webhooks.send(event, times=asked.times)}

    async def switches(_: Request) -> Response:
        return JSONResponse({"items": webhooks.switches()})

    async def unswitched(_: Request) -> Response:
        webhooks.clear()
        return Response(status_code=204)

    async def listed(request: Request) -> Response:
        kind = request.path_params["kind"]
        return JSONResponse(
            {"items": [shown(body) for body in world.store.newest({"delivery": "_delivery"}.get(kind, kind))]}
        )

    async def asked_of_us(_: Request) -> Response:
        return JSONResponse({"items": list(requests)})

    async def ledger(_: Request) -> Response:
        return JSONResponse(books(world))

    async def emptied(_: Request) -> Response:
        webhooks.clear()
        await webhooks.forget()
        requests.clear()
        world.store.empty(but=frozenset({"webhook_endpoint"}))
        return Response(status_code=204)

    return [
        _post("/sandbox/disputes", _Dispute, opened),
        _post("/sandbox/disputes/{id}", _Outcome, settled),
        _post("/sandbox/refunds/{id}", _Refund, refunded),
        _post("/sandbox/accounts/{id}", _Account, onboarded),
        _post("/sandbox/challenges/{id}", _Challenge, challenged),
        _post("/sandbox/clock", _Clock, put_forward),
        _post("/sandbox/webhooks", Switch, switched),
        _post("/sandbox/webhooks/release", _Release, released),
        _post("/sandbox/events/{id}/send", _Send, sent),
        Route("/sandbox/webhooks", switches, methods=["GET"]),
        Route("/sandbox/webhooks", unswitched, methods=["DELETE"]),
        Route("/sandbox/objects/{kind}", listed, methods=["GET"]),
        Route("/sandbox/requests", asked_of_us, methods=["GET"]),
        Route("/sandbox/ledger", ledger, methods=["GET"]),
        Route("/sandbox", emptied, methods=["DELETE"]),
    ]


def _post(path: str, kind: type[BaseModel], does: Callable[[Request, Any], Awaitable[Any]]) -> Route:
    async def answer(request: Request) -> Response:
        try:
            asked = kind.model_validate_json(await request.body() or b"{}")
            return JSONResponse(await does(request, asked))
        except ValidationError as error:
            return JSONResponse({"errors": json.loads(error.json(include_url=False, include_context=False))}, 422)
        except Problem as problem:
            return JSONResponse({"error": problem.error}, problem.status)

    return Route(path, answer, methods=["POST"])
