"""What every request passes: ids, bounds on its body, admission, headers of the answer, access log, metrics. Pure ASGI."""

import asyncio
import hmac
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compose.settings import Settings
from edge_api import access_log, metrics
from edge_api.admission import Admission, limit_headers
from edge_api.problems import Problem, bug, problem_of, response
from edge_api.tokens import Tokens
from edge_api.visit import Visit, address_of

BODY_BYTES_MAX = 65_536
BODY_READ_S = 10
JSON = b"application/json"
SIGNED = frozenset({("POST", "/api/v1/payments/webhook")})
"""Where the body's own signature lets in: no token is looked up, and a provider is not kept out by limits for people."""

log = structlog.get_logger("front-door")


class FrontDoor:
    """Wraps the application; answers by itself whatever may not come in."""

    def __init__(self, app: ASGIApp, *, settings: Settings, admission: Admission, tokens: Tokens) -> None:
        """Take what lets people in: admission counts and looks up, tokens says who they are."""
        self._app = app
        self._admission = admission
        self._tokens = tokens
        self._trusted = frozenset(part.strip() for part in settings.trusted_proxies.split(",") if part.strip())
        secret = settings.cdn_origin_secret
        self._cdn_secret = None if secret is None else secret.get_secret_value().encode()
        self._origins = frozenset(origin.encode() for origin in settings.origins)
        self._logs = settings.log_level in ("debug", "info")
        self._always = list(ALWAYS)
        if settings.environment != "local":
            self._always.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        visit = scope["visit"] = Visit(scope, headers, address_of(scope, headers, self._trusting(scope, headers)))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                message["headers"] = self._headers(visit, message["headers"])
            await send(message)

        try:
            if visit.method == "OPTIONS" and b"access-control-request-method" in headers:
                await self._preflight(answer)
                return
            bounded = _bounded(headers, receive)
            if (visit.method, visit.path) not in SIGNED:
                await self._let_in(visit, headers)
            await self._app(scope, bounded, answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer and the log its cause
            problem = self._problem(error, visit, scope)
            if not visit.status:
                await response(problem, visit.request_id)(scope, receive, answer)
        finally:
            self._note(visit, _route(scope))

    def _trusting(self, scope: Scope, headers: dict[bytes, bytes]) -> frozenset[str]:
        """Whose word about the caller's address is taken: our proxies', and the CDN's, whose own addresses are many."""
        said = headers.get(b"x-origin-secret")
        if said is None or self._cdn_secret is None or not hmac.compare_digest(said, self._cdn_secret):
            return self._trusted
        return self._trusted | {scope["client"][0]}

    def _note(self, visit: Visit, route: str) -> None:
        seconds = time.perf_counter() - visit.started
        metrics.request(visit.method, route, visit.status, seconds)
        if self._logs:
            access_log.write(visit, route, seconds)

    @staticmethod
    def _problem(error: Exception, visit: Visit, scope: Scope) -> Problem:
        problem = problem_of(error)
        if problem is None:
            log.exception("a request failed", request_id=visit.request_id, route=_route(scope))
            problem = bug()
        return problem

    async def _let_in(self, visit: Visit, headers: dict[bytes, bytes]) -> None:
        bearer = headers.get(b"authorization")
        if bearer is not None:
            try:
                visit.caller = self._tokens.read(_token_of(bearer))
            except Problem as problem:
                # Told by the routes that need a login: a stale token must not keep anybody from logging in.
                visit.denied = problem
        try:
            tightest = await self._admission.admit(
                method=visit.method, path=visit.path, address=visit.address, caller=visit.caller
            )
        except Problem as problem:
            if problem.code not in ("token_revoked", "account_suspended"):
                raise
            visit.caller, visit.denied = None, problem
        else:
            visit.limit_headers = [(name.lower().encode(), value.encode()) for name, value in limit_headers(tightest)]

    def _headers(self, visit: Visit, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name for name, _ in given}
        added = [(b"x-request-id", visit.request_id.encode())]
        added += [header for header in self._always if header[0] not in names]
        added += [header for header in visit.limit_headers if header[0] not in names]
        if visit.origin is not None:
            added.append((b"vary", b"Origin"))
            if visit.origin in self._origins:
                added += [(b"access-control-allow-origin", visit.origin), (b"access-control-expose-headers", EXPOSED)]
        return [*given, *added]

    @staticmethod
    async def _preflight(answer: Send) -> None:
        await answer({"type": "http.response.start", "status": 204, "headers": list(PREFLIGHT)})
        await answer({"type": "http.response.body", "body": b""})


ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
EXPOSED = b"X-Request-ID, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After, ETag, Location"
PREFLIGHT: tuple[tuple[bytes, bytes], ...] = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, If-None-Match, Traceparent, X-Request-ID",
    ),
    (b"access-control-max-age", b"600"),
)


def _token_of(bearer: bytes) -> str:
    scheme, _, token = bearer.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        raise Problem("invalid_token", "Authorization must be `Bearer` and an access token.")
    return token.strip()


def _bounded(headers: dict[bytes, bytes], receive: Receive) -> Receive:
    """The body, as far as it may come in; raises Problem 413, 415 at once, 408 and 413 while it comes."""
    length = headers.get(b"content-length")
    if length is None and b"transfer-encoding" not in headers:
        return receive
    if length is not None:
        if int(length) > BODY_BYTES_MAX:
            raise _too_large()
        if int(length) == 0:
            return receive
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
        raise Problem(
            "unsupported_media_type", "Send the body as application/json.", headers={"Accept-Post": "application/json"}
        )
    return _Bounded(receive)


class _Bounded:
    """Counts what comes: without a Content-Length nobody says beforehand how much it will be."""

    __slots__ = ("_receive", "_seen")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen = 0

    async def __call__(self) -> Message:
        try:
            async with asyncio.timeout(BODY_READ_S):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                "request_timeout", "The body did not come in time.", headers={"Connection": "close"}
            ) from None
        self._seen += len(message.get("body", b""))
        if self._seen > BODY_BYTES_MAX:
            raise _too_large()
        return message


def _too_large() -> Problem:
    # What is still on its way must not be taken for the next request.
    return Problem("body_too_large", "The body is larger than 64 KiB.", headers={"Connection": "close"})


def _route(scope: Scope) -> str:
    route: str | None = getattr(scope.get("route"), "path", None)
    if route is not None:
        return route
    if "endpoint" not in scope:
        return "unmatched"
    # A page: Starlette's own routes do not name themselves, so the template is made anew from what was found.
    path: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(str(value), f"{{{name}}}")
    return path
