"""The OpenAPI 3.1 document: every route with an example, every status with every code that it may carry."""

from typing import Any

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from edge_api.codes import CODES
from edge_api.examples import EXAMPLES
from edge_api.lean import LeanRoute
from edge_api.problems import MEDIA_TYPE, TYPE
from edge_api.routing import router
from edge_api.shapes import PendingCommand, ProblemDetails

ADDRESS = "/api/v1/openapi.json"
REF = "#/components/schemas/{model}"
PROBLEM = {"$ref": REF.format(model=ProblemDetails.__name__)}
HEADERS = {
    "X-Request-ID": "The request's id, as sent or made here.",
    "RateLimit-Limit": "Requests of the tightest limit.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until all are left again.",
}

routes = router("openapi")


@routes.get("/openapi.json", include_in_schema=False, response_class=Response)
async def document(request: Request) -> Response:
    """The document, made at the first call."""
    app: FastAPI = request.app
    if not hasattr(app.state, "openapi"):
        app.state.openapi = msgspec.json.encode(describe(app))
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(app.state.openapi, headers=headers, media_type="application/json")


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of an application."""
    said: dict[str, Any] = app.openapi()
    said["info"]["description"] = (
        "HTTP contract of the marketplace. Amounts are JSON numbers with at most two decimals; times RFC 3339 in UTC. "
        "Errors are application/problem+json (RFC 9457) with a stable `code`."
    )
    schemas = said.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_more_schemas(app))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    said["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    for path in said["paths"].values():
        for operation in path.values():
            _complete(operation)
    for name, example in EXAMPLES.items():
        if name in schemas:
            schemas[name]["examples"] = [example]
    return said


def _more_schemas(app: FastAPI) -> dict[str, Any]:
    models: list[type[BaseModel]] = [ProblemDetails, PendingCommand]
    models += [route.body_model for route in app.router.routes if isinstance(route, LeanRoute)]
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    definitions: dict[str, Any] = found["$defs"]
    return definitions


def _complete(operation: dict[str, Any]) -> None:
    """Put examples, problems, headers and the login into one operation that FastAPI described."""
    operation.pop("x-command", None)
    signed_in = operation.pop("x-signed-in")
    if signed_in != "no":
        operation["security"] = [{"bearer": []}] if signed_in == "yes" else [{}, {"bearer": []}]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and (example := EXAMPLES.get(_named(body["schema"]))) is not None:
        body["examples"] = {"example": {"value": example}}
    for status, response in operation["responses"].items():
        _complete_response(int(status), response)


def _complete_response(status: int, response: dict[str, Any]) -> None:
    response["headers"] = {name: {"description": says, "schema": {"type": "string"}} for name, says in HEADERS.items()}
    by_fastapi = "HTTPValidationError" in str(response.get("content", ""))
    codes = response.pop("x-codes", ["invalid_request"] if by_fastapi else None)
    if codes is not None:
        response["description"] = "; ".join(f"`{code}`: {CODES[code].title}" for code in codes)
        examples = {code: {"value": _problem(code)} for code in codes}
        response["content"] = {MEDIA_TYPE: {"schema": PROBLEM, "examples": examples}}
        return
    if response.pop("x-pending", False):
        response["description"] = "Not decided yet; `Location` says where to ask."
        response["content"] = {"application/json": {"schema": {"$ref": REF.format(model=PendingCommand.__name__)}}}
    for content in response.get("content", {}).values():
        example = EXAMPLES.get(_named(content["schema"]))
        if example is not None:
            content["examples"] = {"example": {"value": example}}
    if status == 304:
        response.pop("content", None)


def _named(schema: dict[str, Any]) -> str:
    reference = schema.get("$ref") or next((part["$ref"] for part in schema.get("anyOf", ()) if "$ref" in part), "")
    return str(reference).rpartition("/")[2]


def _problem(code: str) -> dict[str, Any]:
    known = CODES[code]
    more: dict[str, Any] = {"minimum": 155.0, "currency": "USD"} if code == "below_minimum" else {}
    errors = [{"field": "amount", "code": "missing", "detail": "is required"}] if code == "invalid_request" else []
    return {
        **more,
        "type": TYPE + code,
        "title": known.title,
        "status": known.status,
        "detail": f"{known.title}.",
        "code": code,
        "requestId": "0f8fad5bd9cb469fa165708f",
        "errors": errors,
    }
