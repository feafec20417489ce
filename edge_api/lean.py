"""A route whose endpoint takes the request as it is: documented like the others, run without what they cost.

FastAPI's own way to an endpoint costs about 150 us of CPU per request (RUNTIME.md 3.5); the bid path does not take it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.envelope import Request as JsonRequest

Endpoint = Callable[[Request], Awaitable[Response]]


class LeanRoute(APIRoute):
    """Stands among FastAPI's routes for OpenAPI; `LeanFirst` runs it before they are asked."""

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        body: type[JsonRequest],
        header: str = "Idempotency-Key",
        openapi_extra: dict[str, Any] | None = None,
        **told: Any,
    ) -> None:
        """`body` is the model that the endpoint reads by itself, `header` the one that it looks at."""
        self.body_model = body
        extra = {**(openapi_extra or {}), **_documented(path, body, header)}
        super().__init__(path, endpoint, openapi_extra=extra, **told)

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = run


def _documented(path: str, body: type[JsonRequest], header: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    uuid = {"type": "string", "format": "uuid"}
    key = {"name": header, "in": "header", "required": False, "schema": {"type": "string"}}
    schema = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": uuid} for name in names] + [key],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


class LeanFirst:
    """Runs lean routes at once and leaves everything else to the application that documents them."""

    def __init__(self, app: ASGIApp, routes: list[LeanRoute]) -> None:
        """Take the application and its lean routes."""
        self._app = app
        self._exact = {(method, one.path): one for one in routes if "{" not in one.path for method in one.methods or ()}
        self._routes = [one for one in routes if "{" in one.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            exact = self._exact.get((scope["method"], scope["path"]))
            if exact is not None:
                scope.update(endpoint=exact.endpoint, path_params={}, route=exact, app=self._app)
                await exact.app(scope, receive, send)
                return
            for route in self._routes:
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found, app=self._app)
                    await route.app(scope, receive, send)
                    return
        await self._app(scope, receive, send)
