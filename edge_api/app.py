"""The edge's application: which routes there are, and what every request passes. Wiring only."""

from importlib.util import find_spec

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from edge_api import (
    auction_reads,
    auctions,
    auth,
    bids,
    command_status,
    openapi,
    orders,
    pages,
    payments,
    people,
    pictures,
    relisting,
    search,
    streams,
    stripe_webhook,
    tickets,
    timelines,
    videos,
)
from edge_api.edge import Edge
from edge_api.front_door import FrontDoor
from edge_api.lean import LeanFirst, LeanRoute
from edge_api.outage import AWAY
from edge_api.problems import bug, problem_of, response
from edge_api.visit import visit_of
from producers.commands import Unavailable

ROUTERS = (
    bids.routes,
    # Before /users/{user_id} and /auctions/{auction_id}: the first match wins.
    auction_reads.routes,
    auctions.routes,
    search.routes,
    relisting.routes,
    stripe_webhook.routes,
    payments.routes,
    # Before /users/{user_id}, too: /users/me/orders.
    orders.routes,
    pictures.routes,
    videos.routes,
    people.routes,
    auth.routes,
    command_status.routes,
    tickets.routes,
    streams.routes,
    timelines.routes,
    openapi.routes,
)


def build(edge: Edge) -> ASGIApp:
    """The application around an edge."""
    app = api()
    app.state.edge = edge
    lean = LeanFirst(app, [route for route in app.router.routes if isinstance(route, LeanRoute)])
    return FrontDoor(lean, settings=edge.settings, admission=edge.admission, tokens=edge.tokens)


def api() -> FastAPI:
    """All routes, documented; without servers."""
    app = FastAPI(title="Video Marketplace", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    app.router.routes.extend(pages.routes)
    if find_spec("edge_api.watch") is not None:
        from edge_api.watch import routes as watch

        app.router.routes.extend(watch)
    for kind in (HTTPException, RequestValidationError, Unavailable, *AWAY):
        app.add_exception_handler(kind, _problem)
    app.add_exception_handler(Exception, _problem)
    return app


async def _problem(request: Request, error: Exception) -> Response:
    """The answer; a mistake of ours is written down by the front door, to which Starlette raises it again."""
    return response(problem_of(error) or bug(), visit_of(request).request_id)
