"""The stand-in's routes: SendGrid's own, the outbox page, and the sandbox API of tests and the demo."""

import hmac
import json
import secrets

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from compose.sandboxes.faults import Fault, Faults, meet
from compose.sandboxes.sendgrid import page
from compose.sandboxes.sendgrid.outbox import LISTED_MAX, Outbox
from compose.sandboxes.sendgrid.refusals import BYTES_MAX, Refusal, refusals
from compose.sandboxes.serving import application
from schemas.envelope import time_ms

_FAULT_WORDS = {429: "too many requests", 500: "Internal Server Error", 503: "Service Unavailable"}
_UNVERIFIED = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit "
    "https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements"
)


def build(*, outbox: Outbox, faults: Faults, api_key: str, verified_sender: str, host: str = "localhost") -> Starlette:
    """The application. `verified_sender` is the address whose domain may send; `host` the name it is reached by."""
    provider = _Provider(outbox, api_key, verified_sender)

    async def send(request: Request) -> Response:
        body = await _read(request)

        async def effect() -> Response:
            return provider.send(request.headers, body)

        return await meet(faults.draw(request.url.path), effect, _as_fault)

    return application([Route("/v3/mail/send", send, methods=["POST"]), *_desk(outbox)], faults, host=host)


class _Provider:
    def __init__(self, outbox: Outbox, api_key: str, verified_sender: str) -> None:
        self._outbox = outbox
        self._credential = f"Bearer {api_key}".encode()
        self._domain = verified_sender.rpartition("@")[2].lower()

    def send(self, headers: Headers, body: bytes | None) -> Response:
        """What POST /v3/mail/send does: judge who asks, in which form, how much (None: too much), what; then queue it."""
        presented = headers.get("authorization", "").encode()
        if not hmac.compare_digest(presented, self._credential):
            return _refused(401, Refusal("The provided authorization grant is invalid, expired, or revoked"))
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, Refusal("Content-Type should be application/json."))
        if body is None:
            return _refused(413, Refusal("The total size of the message must be less than 30MB."))
        try:
            mail = json.loads(body)
        except ValueError:
            return _refused(400, Refusal("Bad Request"))
        found = list(refusals(mail))
        if found:
            return _refused(400, *found)
        if mail["from"]["email"].rpartition("@")[2].lower() != self._domain:
            return _refused(403, Refusal(_UNVERIFIED, "from"))
        if _is_rehearsal(mail):
            return Response(status_code=200)
        message_id = secrets.token_urlsafe(16)
        self._outbox.keep(mail, message_id=message_id, at_ms=time_ms())
        return Response(status_code=202, headers={"X-Message-Id": message_id})


def _is_rehearsal(mail: dict[str, object]) -> bool:
    # SendGrid's sandbox mode: the request is judged, nothing is queued, and the answer is 200 instead of 202.
    settings = mail.get("mail_settings")
    mode = settings.get("sandbox_mode") if isinstance(settings, dict) else None
    return isinstance(mode, dict) and mode.get("enable") is True


async def _read(request: Request) -> bytes | None:
    # What is too much is still taken off the wire: a client that is cut off while it sends does not hear the answer.
    kept = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= BYTES_MAX:
            kept += part
    return bytes(kept) if size <= BYTES_MAX else None


def _refused(status: int, *found: Refusal) -> Response:
    return JSONResponse({"errors": [refusal._asdict() for refusal in found]}, status)


def _as_fault(fault: Fault) -> Response:
    assert fault.status is not None
    answer = _refused(fault.status, Refusal(_FAULT_WORDS.get(fault.status, "Error")))
    if fault.status == 429:
        wait_s = fault.retry_after_s or 0
        reset_s = str(time_ms() // 1000 + wait_s)
        answer.headers.update({"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset_s})
    if fault.retry_after_s is not None:
        answer.headers["Retry-After"] = str(fault.retry_after_s)
    return answer


def _desk(outbox: Outbox) -> list[Route]:
    async def listed(request: Request) -> Response:
        limit = request.query_params.get("limit", str(LISTED_MAX))
        if not limit.isdecimal() or not 1 <= int(limit) <= LISTED_MAX:
            return JSONResponse({"errors": [{"message": f"limit must be 1 to {LISTED_MAX}"}]}, 422)
        return JSONResponse({"items": outbox.listed(to=request.query_params.get("to"), limit=int(limit))})

    async def one(request: Request) -> Response:
        letter = outbox.one(request.path_params["number"])
        return JSONResponse(letter) if letter else JSONResponse({"errors": [{"message": "no such message"}]}, 404)

    async def empty(_: Request) -> Response:
        outbox.empty()
        return Response(status_code=204)

    async def read_list(request: Request) -> Response:
        to = request.query_params.get("to", "").strip()
        return HTMLResponse(page.outbox(outbox.listed(to=to or None), to=to), headers=page.HEADERS)

    async def read_one(request: Request) -> Response:
        letter = outbox.one(request.path_params["number"])
        if letter is None:
            return HTMLResponse(page.missing(), 404, headers=page.HEADERS)
        return HTMLResponse(page.message(letter), headers=page.HEADERS)

    async def read_html(request: Request) -> Response:
        letter = outbox.one(request.path_params["number"])
        if letter is None:
            return RedirectResponse("/")
        return HTMLResponse(page.as_html(letter), headers=page.MAIL_HEADERS)

    async def style(_: Request) -> Response:
        return Response(page.STYLE, media_type="text/css")

    async def script(_: Request) -> Response:
        return PlainTextResponse(page.SCRIPT, media_type="text/javascript")

    return [
        Route("/", read_list),
        Route("/messages/{number:int}", read_one),
        Route("/messages/{number:int}/html", read_html),
        Route("/outbox.css", style),
        Route("/outbox.js", script),
        Route("/sandbox/messages", listed, methods=["GET"]),
        Route("/sandbox/messages", empty, methods=["DELETE"]),
        Route("/sandbox/messages/{number:int}", one, methods=["GET"]),
    ]
