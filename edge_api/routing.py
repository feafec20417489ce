"""How a route is written: who may call it, what it reads, and what it says it may answer (all of it stands in OpenAPI)."""

from collections.abc import Callable, Coroutine, Sequence
from types import NoneType
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from edge_api.bodies import read
from edge_api.codes import ANY_ROUTE, CODES, COMMAND, SIGNED_IN, WITH_BODY
from edge_api.paging import LIMIT_DEFAULT, LIMIT_MAX
from edge_api.problems import Problem
from edge_api.tokens import CHALLENGE, Caller
from edge_api.visit import visit_of
from schemas.envelope import Request as JsonRequest
from schemas.users import permitted

PREFIX = "/api/v1"


def signed_in(request: Request) -> Caller:
    """Who calls; raises Problem 401 or 403."""
    visit = visit_of(request)
    if visit.denied is not None:
        raise visit.denied
    if visit.caller is None:
        raise Problem(
            "login_required", "Log in and send the access token as `Authorization: Bearer`.", headers=CHALLENGE
        )
    return visit.caller


def maybe_signed_in(request: Request) -> Caller | None:
    """Who calls, or None for nobody; a token that was sent must be good."""
    visit = visit_of(request)
    if visit.denied is not None:
        raise visit.denied
    return visit.caller


def need(caller: Caller, permission: str) -> None:
    """Raise Problem 403 unless a role of the caller's grants the permission (specification, rbac)."""
    if not permitted(caller.roles, permission):
        raise Problem("not_allowed", f"Your account lacks the permission {permission}.")


SignedIn = Annotated[Caller, Depends(signed_in)]
MaybeSignedIn = Annotated[Caller | None, Depends(maybe_signed_in)]
AuctionId = Annotated[UUID, Path(description="The auction's id.")]
UserId = Annotated[UUID, Path(description="The user's id.")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many items at most.")]
Cursor = Annotated[str | None, Query(description="`nextCursor` of the page before.")]
LIMIT = LIMIT_DEFAULT


class ExactRoute(APIRoute):
    """A route whose JSON body is read by edge_api.bodies, after it is known that the caller may speak at all."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind our reading of the body."""
        handle = super().get_route_handler()
        model = Nothing if self.body_field is None else _model_of(self.body_field.field_info.annotation)
        reads_body = self.body_field is not None
        guards = [one.call for one in self.dependant.dependencies if one.call in (signed_in, maybe_signed_in)]

        async def exact(request: Request) -> Response:
            for guard in guards:
                assert guard is not None
                guard(request)
            if not reads_body and (body := await request.body()):
                read(model, body)
            return await handle(_ExactRequest(request, model) if reads_body else request)

        return exact


class Nothing(JsonRequest):
    """The body of a route that takes none: absent, or an empty object."""


def _model_of(annotation: Any) -> type[JsonRequest]:
    """The model of a body, also where the body may be absent (`Refresh | None`)."""
    return next(part for part in (annotation, *get_args(annotation)) if isinstance(part, type) and part is not NoneType)


class _ExactRequest(Request):
    """Gives FastAPI the model in place of parsed JSON: pydantic passes an instance through as it is."""

    def __init__(self, request: Request, model: type[JsonRequest]) -> None:
        super().__init__(request.scope, request.receive)
        self._model = model

    async def json(self) -> Any:
        return read(self._model, await self.body())


def router(tag: str) -> APIRouter:
    """A router of exact routes under /api/v1."""
    return APIRouter(prefix=PREFIX, tags=[tag], route_class=ExactRoute)


def says(
    summary: str,
    shape: type[BaseModel],
    *,
    status: int = 200,
    refuses: Sequence[str] = (),
    command: bool = False,
    body: bool = False,
    signed_in: bool | None = True,
    also: dict[int, str] | None = None,
) -> dict[str, Any]:
    """What a route's decorator tells OpenAPI: the answer's shape and every code that it may be refused with.

    `signed_in` is None where a token may be sent but need not.
    """
    codes = [*refuses, *ANY_ROUTE, *(WITH_BODY if body else ()), *(COMMAND if command else ())]
    if signed_in is not False:
        codes += [code for code in SIGNED_IN if signed_in or code != "login_required"]
    responses: dict[int | str, dict[str, Any]] = {
        code_status: {"x-codes": sorted({code for code in codes if CODES[code].status == code_status})}
        for code_status in sorted({CODES[code].status for code in codes})
    }
    responses[status] = {"model": shape, "description": "Done."}
    if command:
        responses[202] = {"x-pending": True}
    for other, description in (also or {}).items():
        responses[other] = {"description": description}
    return {
        "summary": summary,
        "status_code": status,
        "responses": responses,
        "response_class": Response,
        "openapi_extra": {"x-command": command, "x-signed-in": {True: "yes", None: "maybe", False: "no"}[signed_in]},
    }
