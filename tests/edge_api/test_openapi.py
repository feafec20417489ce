"""The OpenAPI document: every route, every example, every status, every code."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel

from edge_api import order_shapes, shapes, stripe_webhook, upload_shapes
from edge_api.app import api
from edge_api.codes import CODES
from edge_api.examples import EXAMPLES
from edge_api.openapi import describe
from schemas import activity, auctions, payments, users, videos
from tests.edge_api.doorway import Doorway

pytestmark = pytest.mark.quick

DOCUMENT = describe(api())
ROUTES_OF_API_MD = """
    POST /auth/register, POST /auth/verify-email, POST /auth/resend-verification, POST /auth/login, POST /auth/refresh,
    POST /auth/logout, POST /auth/logout-all, POST /auth/password/forgot, POST /auth/password/reset, PUT /auth/password,
    GET /users/{}, GET /users/me, PATCH /users/me, DELETE /users/me, POST /users/{}/follow, DELETE /users/{}/follow,
    GET /users/{}/followers, GET /users/me/bids, GET /users/me/auctions, GET /users/me/watching, POST /users/me/seller,
    POST /users/{}/suspend, POST /users/{}/reinstate, POST /auctions, GET /auctions, GET /auctions/{}, PUT /auctions/{},
    POST /auctions/{}/publish, POST /auctions/{}/cancel, POST /auctions/{}/end, POST /auctions/{}/buy-now,
    PUT /auctions/{}/reserve, POST /auctions/{}/blocked, POST /auctions/{}/watch, DELETE /auctions/{}/watch,
    POST /auctions/{}/bids, GET /auctions/{}/bids, DELETE /auctions/{}/bids/{}, GET /commands/{}, GET /time,
    POST /live/ticket, GET /users/search, GET /search/suggest, POST /search/clicks, POST /payments/create-intent, GET /payments/{}, POST /payments/{}/refund,
    POST /payments/connect/onboard, GET /payments/connect/status, POST /payments/webhook, GET /payments/methods,
    POST /payments/methods, DELETE /payments/methods/{}, PUT /payments/automatic, GET /orders, GET /orders/{},
    POST /orders/{}/ship, POST /orders/{}/confirm-delivery, POST /orders/{}/rate, POST /orders/{}/dispute,
    POST /orders/{}/dispute/close, POST /orders/{}/pay, POST /orders/{}/cancel, POST /orders/{}/second-chance,
    PUT /orders/{}/address, POST /orders/{}/accept, POST /orders/{}/decline, GET /orders/{}/invoice, GET /users/me/orders, POST /auctions/{}/relist,
    POST /orders/{}/lift-strike, GET /videos/{}/stream, GET /auctions/{}/timeline,
    POST /videos/upload, GET /videos, GET /videos/{}, DELETE /videos/{}, GET /videos/{}/upload, POST /videos/{}/complete,
    POST /videos/{}/withdraw, POST /users/me/avatar, DELETE /users/me/avatar, GET /auctions/{}/pictures,
    POST /auctions/{}/pictures, GET /pictures/{}, DELETE /pictures/{}, GET /pictures/{}/upload, POST /pictures/{}/complete
"""


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.fixture(params=operations(), ids=lambda found: found[0])
def operation(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param[1]
    return found


def test_every_route_of_the_contract_is_there_and_no_other() -> None:
    wanted = {route.strip() for route in ROUTES_OF_API_MD.split(",")}

    said = {re.sub(r"\{[^}]+\}", "{}", name).replace("/api/v1", "") for name, _ in operations()}

    assert said == wanted


def test_every_route_of_the_application_is_documented() -> None:
    served = {
        f"{method} {route.path}"
        for route in api().router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }

    assert served == {name for name, _ in operations()}


def test_a_route_says_what_it_does(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"].endswith(".")


def test_a_route_shows_an_example_of_its_answer(operation: dict[str, Any]) -> None:
    [success] = [said for status, said in operation["responses"].items() if status in ("200", "201")]
    [content] = success["content"].values()
    assert content["examples"]


def test_a_route_shows_an_example_of_its_body(operation: dict[str, Any]) -> None:
    if "requestBody" in operation:
        assert operation["requestBody"]["content"]["application/json"]["examples"]


def test_a_route_lists_every_code_with_an_example(operation: dict[str, Any]) -> None:
    problems = {status: said for status, said in operation["responses"].items() if int(status) >= 400}
    assert {"429", "500", "503"} <= problems.keys()
    for status, said in problems.items():
        examples = said["content"]["application/problem+json"]["examples"]
        assert examples
        assert all(CODES[code].status == int(status) for code in examples)
    needs_login = "401" in problems and "login_required" in _codes(problems["401"])
    may_log_in = operation.get("security") == [{}, {"bearer": []}]
    assert may_log_in or (operation.get("security") == [{"bearer": []}]) == needs_login


def test_a_command_may_be_pending_or_conflict(operation: dict[str, Any]) -> None:
    if "202" in operation["responses"]:
        assert "idempotency_conflict" in _codes(operation["responses"]["409"])
        assert "Idempotency-Key" in [one["name"] for one in operation["parameters"]]


def _codes(response: dict[str, Any]) -> set[str]:
    return set(response["content"]["application/problem+json"]["examples"])


def test_every_code_that_the_edge_raises_is_in_the_table() -> None:
    sources = "".join(path.read_text() for path in Path(shapes.__file__).parent.glob("*.py"))

    raised = set(re.findall(r"Problem\(\s*\"(\w+)\"", sources))

    assert raised
    assert raised <= CODES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_it_is_an_example_of(name: str) -> None:
    model: type[BaseModel] = next(
        getattr(module, name)
        for module in (
            *(shapes, order_shapes, upload_shapes, stripe_webhook),
            *(activity, auctions, payments, users, videos),
        )
        if hasattr(module, name)
    )

    model.model_validate(EXAMPLES[name])


def test_the_examples_fit_the_schemas_of_the_document() -> None:
    for name, example in EXAMPLES.items():
        if name in DOCUMENT["components"]["schemas"]:
            schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
            jsonschema.Draft202012Validator(schema).validate(example)


def test_no_reference_leads_nowhere() -> None:
    names = set(re.findall(r"#/components/schemas/([\w-]+)", str(DOCUMENT)))

    assert names <= DOCUMENT["components"]["schemas"].keys()


async def test_the_document_is_served_and_nothing_else_of_the_kind(doorway: Doorway) -> None:
    async with doorway.client() as client:
        answer = await client.get("/openapi.json")
        others = [
            (await client.get(f"http://edge.example{path}")).status_code
            for path in ("/docs", "/redoc", "/openapi.json", "/metrics", "/health", "/ready")
        ]

    assert answer.json()["openapi"].startswith("3.1")
    assert others == [404] * 6
