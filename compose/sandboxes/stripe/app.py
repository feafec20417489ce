"""The stand-in's HTTP: who asks, the form, the idempotency key, the faults, and Stripe's headers and errors around it all."""

import asyncio
import base64
import binascii
import copy
import hmac
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compose.sandboxes.faults import Faults, meet
from compose.sandboxes.serving import application
from compose.sandboxes.stripe import desk, page
from compose.sandboxes.stripe.answers import PUBLIC, answer, as_fault, expand, in_use, refused
from compose.sandboxes.stripe.attempts import shown
from compose.sandboxes.stripe.events import Webhooks
from compose.sandboxes.stripe.parameters import check, read_form
from compose.sandboxes.stripe.problems import Problem, unauthorised
from compose.sandboxes.stripe.routes import ADDRESSES, Address
from compose.sandboxes.stripe.store import PLATFORM, Body
from compose.sandboxes.stripe.world import Call, World, token

BYTES_MAX = 256 * 1024
KEY_MAX = 255
REQUESTS_KEPT = 5_000
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(\.[a-z]+)?")


def build(world: World, *, faults: Faults, secret_key: str, publishable_key: str, host: str = "localhost") -> Starlette:
    """The application; `host` is the name that it is reached by."""
    webhooks = Webhooks(world)
    door = _Door(world, webhooks, faults, secret_key, publishable_key)
    # The SDK looks addresses up in the order of this list, and so does Starlette.
    routes = [Route(one.path, door.route(one), methods=[one.method]) for one in ADDRESSES]
    everything_else = Route("/v1/{rest:path}", door.unknown, methods=["GET", "POST", "DELETE", "PUT", "PATCH"])
    app = application(
        [*routes, everything_else, *desk.routes(world, webhooks, door.requests), *page.routes(world, webhooks)],
        faults,
        host=host,
    )
    app.router.lifespan_context = _sending(webhooks)
    return app


def _sending(webhooks: Webhooks) -> Any:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sender = asyncio.create_task(webhooks.run())
        yield
        sender.cancel()

    return lifespan


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Request
    address: Address
    body: bytes
    request_id: str
    key: str | None

    @property
    def scope(self) -> str:
        """What its idempotency key is unique within."""
        return f"{self.request.headers.get('stripe-account', PLATFORM)}:{self.key}"


class _Door:
    def __init__(self, world: World, webhooks: Webhooks, faults: Faults, secret_key: str, publishable_key: str) -> None:
        self._world = world
        self._webhooks = webhooks
        self._faults = faults
        self._secret = secret_key.encode()
        self._publishable = publishable_key.encode()
        self._under_way: set[str] = set()
        self.requests: deque[Body] = deque(maxlen=REQUESTS_KEPT)

    def route(self, address: Address) -> Any:
        async def answered(request: Request) -> Response:
            return await self._answer(request, address)

        return answered

    async def unknown(self, request: Request) -> Response:
        words = f"Unrecognized request URL ({request.method}: {request.url.path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
        return refused(Problem(words, status=404), "req_" + token(14))

    async def _answer(self, request: Request, address: Address) -> Response:
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        asked = _Asked(request, address, await request.body(), "req_" + token(14), key)
        under_way = asked.scope if key is not None else asked.request_id
        if under_way in self._under_way:
            response = refused(in_use(key), asked.request_id)
        else:
            self._under_way.add(under_way)
            try:
                response = await self._under_faults(asked)
            finally:
                self._under_way.discard(under_way)
        self.requests.append(_line(asked, response))
        return response

    async def _under_faults(self, asked: _Asked) -> Response:
        async def effect() -> Response:
            return self._effect(asked)

        fault = self._faults.draw(asked.request.url.path, asked.request.method)
        response = await meet(fault, effect, partial(as_fault, request_id=asked.request_id, key=asked.key))
        if fault is not None and fault.when == "after" and (fault.status or 0) >= 500 and asked.key is not None:
            self._spoil(asked, response)
        return response

    def _spoil(self, asked: _Asked, response: Response) -> None:
        # Stripe keeps the first answer whatever it was: a 500 after the effect comes again as long as the key is known.
        store, now = self._world.store, self._world.now()
        known = store.remembered(asked.scope, at=now)
        if known is not None:
            store.remember(asked.scope, known[0], response.status_code, bytes(response.body).decode(), at=now)
            store.save()

    def _effect(self, asked: _Asked) -> Response:
        try:
            given, is_public = self._who(asked)
            if is_public and not asked.address.is_public:
                raise unauthorised(
                    "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your "
                    "API keys at https://dashboard.stripe.com/account/apikeys.",
                    "secret_key_required",
                )
            work = partial(self._public if is_public else self._private, asked, given)
            return work() if asked.key is None else self._once(asked, given, work)
        except Problem as problem:
            return refused(problem, asked.request_id)
        finally:
            # Effect, events and the key's answer stand together or not at all.
            self._webhooks.queue()
            self._world.store.save()

    def _who(self, asked: _Asked) -> tuple[Body, bool]:
        request, body = asked.request, asked.body
        if len(body) > BYTES_MAX:
            raise Problem("Request body is too large.", status=413, kept=False)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind != "application/x-www-form-urlencoded":
            raise Problem(
                "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.",
                kept=False,
            )
        version = request.headers.get("stripe-version")
        if version is not None and _VERSION.fullmatch(version) is None:
            raise Problem(f"Invalid Stripe API version: {version}", kept=False)
        text = body.decode(errors="replace") if request.method == "POST" else request.url.query
        given = read_form(text)
        presented = _presented(request, given.pop("key", None))
        if hmac.compare_digest(presented.encode(), self._secret):
            return given, False
        if hmac.compare_digest(presented.encode(), self._publishable):
            for name in (
                "_stripe_version",
                "_stripe_account",
                "expected_payment_method_type",
                "client_attribution_metadata",
            ):
                given.pop(name, None)
            return given, True
        raise unauthorised(f"Invalid API Key provided: {presented[:8]}{'*' * 20}{presented[-4:]}")

    def _once(self, asked: _Asked, given: Body, work: Callable[[], Response]) -> Response:
        assert asked.key is not None
        if len(asked.key) > KEY_MAX:
            raise Problem(f"Idempotency-Key must be at most {KEY_MAX} characters.", kept=False)
        store, now = self._world.store, self._world.now()
        fingerprint = f"{asked.request.method} {asked.request.url.path}\n{json.dumps(given, sort_keys=True)}"
        known = store.remembered(asked.scope, at=now)
        if known is not None:
            return _again(known, fingerprint, asked)
        try:
            response = work()
        except Problem as problem:
            if not problem.kept:
                raise
            response = refused(problem, asked.request_id)
        store.remember(asked.scope, fingerprint, response.status_code, bytes(response.body).decode(), at=now)
        return response

    def _private(self, asked: _Asked, given: Body) -> Response:
        params = check(given, asked.address.takes, also=asked.address.also)
        return answer(200, self._do(asked, params, is_public=False), asked.request_id, asked.key)

    def _public(self, asked: _Asked, given: Body) -> Response:
        rest, card = _without_card(given)
        params = check(rest, asked.address.takes, also=asked.address.also) | card
        body = self._do(asked, params, is_public=True)
        if "intent" in body["object"]:
            body = {name: value for name, value in body.items() if name in PUBLIC}
        return answer(200, body, asked.request_id, asked.key)

    def _do(self, asked: _Asked, params: Body, *, is_public: bool) -> Body:
        call = Call(
            params,
            dict(asked.request.path_params),
            self._account(asked.request),
            is_public,
            asked.request_id,
            asked.key,
            str(asked.request.base_url).rstrip("/"),
        )
        body = shown(asked.address.does(self._world, call))
        expanded = params.get("expand") or ()
        if expanded:
            body = copy.deepcopy(body)
        for path in expanded:
            expand(self._world, body, path.split("."), path)
        return body

    def _account(self, request: Request) -> str:
        account = request.headers.get("stripe-account")
        if account is None:
            return PLATFORM
        if self._world.store.get("account", account) is None:
            raise Problem(
                f"The provided key does not have access to account '{account}' (or that account does not exist). Application access may "
                "have been revoked.",
                status=403,
                code="account_invalid",
            )
        return account


def _presented(request: Request, in_form: object) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    if isinstance(in_form, str) and in_form:
        return in_form
    raise unauthorised(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. "
        "'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at "
        "https://support.stripe.com/."
    )


def _without_card(given: Body) -> tuple[Body, Body]:
    # Stripe.js sends the card here, which the parameter types of servers do not have.
    data = given.get("payment_method_data")
    if isinstance(data, dict) and data.get("type") == "card":
        return {name: value for name, value in given.items() if name != "payment_method_data"}, {
            "payment_method_data": data
        }
    return given, {}


def _again(known: tuple[str, int, str], fingerprint: str, asked: _Asked) -> Response:
    first, status, text = known
    if first != fingerprint:
        path, other = (one.partition("\n")[0].split()[-1] for one in (fingerprint, first))
        words = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with."
            if path == other
            else f"Keys for idempotent requests can only be used for the same endpoint they were first used for ('{path}' vs '{other}')."
        )
        advice = f"Try using a key other than '{asked.key}' if you meant to execute a different request."
        raise Problem(f"{words} {advice}", type="idempotency_error", kept=False)
    return answer(status, json.loads(text), asked.request_id, asked.key, {"Idempotent-Replayed": "true"})


def _line(asked: _Asked, response: Response) -> Body:
    return {
        "id": asked.request_id,
        "method": asked.request.method,
        "path": asked.request.url.path,
        "status": response.status_code,
        "idempotency_key": asked.key,
        "replayed": response.headers.get("idempotent-replayed") == "true",
    }
