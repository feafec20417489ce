"""The internal listener: who is let in, what is answered, and that none of it stands on the public port."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from consumers.runtime.health import Health
from edge_api.internal import InternalRoutes
from edge_api.service_tokens import AUDIENCE, LIFE_S, ServiceTokens
from tests.edge_api.doorway import ANNA, AUCTION, KEY, Doorway

pytestmark = pytest.mark.quick

METHOD = {"method_id": "pm_1", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030, "is_default": True}


@pytest.fixture
async def inside(doorway: Doorway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the internal listener, without a token."""
    health = Health(trouble=dict, waiting=dict, more=InternalRoutes(doorway.edge))
    await health.start("127.0.0.1", 0)
    assert health._server is not None
    port = health._server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    await health.stop()


def known(doorway: Doorway) -> None:
    """Anna has an account, and an order to pay."""
    doorway.edge.views["public_profile"] = [
        {
            "id": ANNA,
            "username": "anna",
            "avatar_path": None,
            "seller_rating": 4.5,
            "rating_count": 2,
            "follower_count": 0,
            "roles": ["buyer"],
            "created_at": datetime.now(UTC),
        }
    ]
    doorway.edge.views["order_view"] = [{"order_id": uuid4(), "state": "awaiting_payment", "total_minor": 222_50}]
    doorway.edge.views["payment_method_view"] = [METHOD]


def token(doorway: Doorway, **claims: Any) -> str:
    """A service token, with some of its claims changed."""
    good = jwt.decode(
        ServiceTokens(doorway.edge.settings).make("auctions", at_s=time.time()), options={"verify_signature": False}
    )
    key = doorway.edge.settings.keys_of_services["service"]
    changed = {name: value for name, value in {**good, **claims}.items() if value is not None}
    return jwt.encode(changed, key, algorithm="HS256", headers={"kid": "service"})


async def test_a_service_reads_a_user(doorway: Doorway, inside: httpx.AsyncClient) -> None:
    known(doorway)

    answer = await inside.get(f"/internal/users/{ANNA}", headers={"X-Internal-Auth": token(doorway)})

    assert answer.status_code == 200
    assert answer.json() == {"id": str(ANNA), "username": "anna", "avatarUrl": None, "sellerRating": 4.5}


@pytest.mark.parametrize(("amount", "valid"), [("222.50", True), ("222.51", False), ("222.49", False), ("1", False)])
async def test_a_service_asks_whether_a_payment_is_right(
    doorway: Doorway, inside: httpx.AsyncClient, amount: str, valid: bool
) -> None:
    known(doorway)
    body = f'{{"auctionId":"{AUCTION}","userId":"{ANNA}","amount":{amount}}}'

    answer = await inside.post("/internal/payments/validate", content=body, headers={"X-Internal-Auth": token(doorway)})

    assert answer.status_code == 200
    assert answer.json()["valid"] is valid
    assert [method["last4"] for method in answer.json()["paymentMethods"]] == (["4242"] if valid else [])


async def test_nobody_else_s_order_is_right_to_pay(doorway: Doorway, inside: httpx.AsyncClient) -> None:
    body = {"auctionId": str(AUCTION), "userId": str(ANNA), "amount": 222.5}

    answer = await inside.post("/internal/payments/validate", json=body, headers={"X-Internal-Auth": token(doorway)})

    assert answer.json() == {"valid": False, "paymentMethods": []}


WRONG = {
    "true": lambda _: "true",
    "no token": lambda _: "",
    "a person's access token": lambda doorway: doorway.token(ANNA, "admin"),
    "expired": lambda doorway: token(doorway, iat=int(time.time()) - 90, exp=int(time.time()) - 30),
    "lives too long": lambda doorway: token(doorway, exp=int(time.time()) + LIFE_S + 600),
    "not yet": lambda doorway: token(doorway, nbf=int(time.time()) + 60),
    "another audience": lambda doorway: token(doorway, aud="video-marketplace-api"),
    "another issuer": lambda doorway: token(doorway, iss="somebody"),
    "another type": lambda doorway: token(doorway, typ="access"),
    "no subject": lambda doorway: token(doorway, sub=None),
    "empty subject": lambda doorway: token(doorway, sub=""),
    "unsigned": lambda _: jwt.encode({"sub": "x", "aud": AUDIENCE}, "", algorithm="none", headers={"kid": "service"}),
    "signed with the key of people's tokens": lambda doorway: jwt.encode(
        jwt.decode(token(doorway), options={"verify_signature": False}),
        KEY + "x" * 32,
        algorithm="HS256",
        headers={"kid": "service"},
    ),
    "unknown key": lambda doorway: jwt.encode({"sub": "x"}, "k" * 32, algorithm="HS256", headers={"kid": "nobody"}),
    "too long": lambda _: "x" * 3_000,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_who_shows_no_good_service_token_learns_nothing(
    doorway: Doorway, inside: httpx.AsyncClient, wrong: Any
) -> None:
    known(doorway)

    for path in (f"/internal/users/{ANNA}", "/internal/payments/validate", "/internal/anything"):
        answer = await inside.get(path, headers={"X-Internal-Auth": wrong(doorway)})

        assert (answer.status_code, answer.json()["code"]) == (401, "service_token_required")
        assert "anna" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/internal/users/01923f6e-7a3b-7c11-9f52-3d2a8b7c1e99", None, (404, "user_not_found")),
        ("GET", "/internal/users/not-a-user", None, (404, "route_not_found")),
        ("DELETE", f"/internal/users/{ANNA}", None, (405, "method_not_allowed")),
        ("GET", "/internal/payments/validate", None, (405, "method_not_allowed")),
        ("POST", "/internal/payments/validate", {"amount": 1}, (422, "invalid_request")),
        ("POST", "/internal/payments/validate", {"userId": str(ANNA), "auctionId": str(AUCTION), "amount": 1, "x": 1}, (422, "invalid_request")),
    ],
)  # fmt: skip
async def test_a_wrong_question_is_answered_as_such(
    doorway: Doorway, inside: httpx.AsyncClient, method: str, path: str, body: Any, expected: tuple[int, str]
) -> None:
    answer = await inside.request(method, path, json=body, headers={"X-Internal-Auth": token(doorway)})

    assert (answer.status_code, answer.json()["code"]) == expected


async def test_health_and_metrics_are_still_answered_and_too_much_is_not_read(inside: httpx.AsyncClient) -> None:
    assert (await inside.get("/health")).json() == {"status": "ok"}
    assert b"http_requests_total" in (await inside.get("/metrics")).content
    assert (await inside.post("/internal/payments/validate", content=b"x" * 20_000)).status_code == 413


async def test_the_internal_routes_are_not_on_the_public_port(doorway: Doorway) -> None:
    known(doorway)
    async with doorway.client() as client:
        for path in (f"/internal/users/{ANNA}", "/internal/payments/validate"):
            answer = await client.get(f"http://edge.example{path}", headers={"X-Internal-Auth": token(doorway)})
            assert answer.status_code == 404


async def test_a_body_that_never_comes_holds_nobody_up(inside: httpx.AsyncClient, monkeypatch: Any) -> None:
    monkeypatch.setattr("consumers.runtime.health.READ_WITHIN_S", 0.05)
    reader, writer = await asyncio.open_connection(inside.base_url.host, inside.base_url.port)
    writer.write(b"POST /internal/payments/validate HTTP/1.1\r\ncontent-length: 10\r\n\r\n")

    async with asyncio.timeout(5):
        assert await everything(reader) == b""

    assert json.loads((await inside.get("/health")).content)["status"] == "ok"
    writer.close()


async def everything(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends, however it ends."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
