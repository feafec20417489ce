"""Errors as people and programs read them: application/problem+json (RFC 9457), everywhere the same."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from edge_api.codes import CODES
from edge_api.outage import AWAY
from producers.commands import Unavailable

log = structlog.get_logger("problems")

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:video-marketplace:problem:"
RETRY_AFTER_S = 2


class FieldError(NamedTuple):
    """What is wrong with one field; `field` is its path in the body (`closing.window`), or a header's or parameter's name."""

    field: str
    code: str
    detail: str


class Problem(HTTPException):
    """A request that is answered with a problem; `more` are members that belong to its code (`minimum`)."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a code of edge_api.codes and a sentence for a person; neither repeats what was sent."""
        super().__init__(CODES[code].status if status is None else status, detail, dict(headers or {}))
        self.code = code
        self.errors = errors
        self.more = more or {}


def unavailable(detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    """Nothing was done; the same request may be sent again."""
    return Problem("service_unavailable", detail, headers={"Retry-After": str(retry_after_s)})


def bug() -> Problem:
    """A mistake of ours."""
    return Problem("internal_error", "Something went wrong on our side; it is written down.")


def invalid(field: str, detail: str, *, code: str = "invalid") -> Problem:
    """One field is wrong."""
    return Problem("invalid_request", f"{field}: {detail}", errors=[FieldError(field, code, detail)])


def body(problem: Problem, request_id: str) -> dict[str, Any]:
    """The problem's JSON object."""
    title = CODES[problem.code].title if problem.code in CODES else HTTPStatus(problem.status_code).phrase
    return {
        **problem.more,
        "type": TYPE + problem.code,
        "title": title,
        "status": problem.status_code,
        "detail": problem.detail,
        "code": problem.code,
        "requestId": request_id,
        "errors": [error._asdict() for error in problem.errors],
    }


def response(problem: Problem, request_id: str) -> Response:
    """The problem as an answer; ASCII, since a field's name may be anything that was sent."""
    content = json.dumps(body(problem, request_id), separators=(",", ":"), default=str).encode("ascii")
    return Response(content, problem.status_code, problem.headers, media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Problem | None:
    """The problem that an exception means; None for a bug of ours."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return fields(error.errors())
        case HTTPException():
            return _of_http(error)
        case Unavailable():
            return unavailable(
                "Commands are not taken for the moment; nothing was done. Send the same request again.",
                retry_after_s=error.retry_after_s,
            )
        case _ if isinstance(error, AWAY):
            log.warning("a server is away", reason=repr(error)[:300])
            return unavailable("Not available for the moment; nothing was changed.")
        case _:
            return None


def _of_http(error: HTTPException) -> Problem:
    code, detail = {
        404: ("route_not_found", "There is nothing at this address."),
        405: ("method_not_allowed", "This address does not take this method."),
        400: ("bad_request", "The request cannot be read."),
        413: ("body_too_large", "The body is larger than 64 KiB."),
    }.get(error.status_code, ("bad_request", str(error.detail)))
    return Problem(code, detail, headers=error.headers, status=error.status_code)


def fields(errors: Sequence[Any]) -> Problem:
    """A problem that names each field which pydantic found wrong; values that were sent are not repeated."""
    found = [_field(error) for error in errors[:FIELDS_MAX]]
    told = "; ".join(f"{error.field}: {error.detail}" for error in found[:3])
    return Problem("invalid_request", told, errors=found)


FIELDS_MAX = 20


_SENT_IN = ("body", "query", "path", "header")


def _field(error: Any) -> FieldError:
    kind = error["type"]
    loc = error["loc"]
    # Where it was sent comes first, unless it is a name of the body itself.
    place = [str(part) for part in (loc[1:] if len(loc) > 1 and loc[0] in _SENT_IN else loc)]
    return FieldError(
        ".".join(place)[:200] or "body",
        {"missing": "missing", "extra_forbidden": "unknown_field"}.get(kind, kind),
        {
            "missing": "is required",
            "extra_forbidden": "is not a field of this request",
        }.get(kind, error["msg"]),
    )
