"""What every request passes, whatever its route."""

import asyncio
import json
from collections.abc import AsyncIterator
from unittest.mock import Mock

import httpx
import pytest

from edge_api import access_log
from edge_api.front_door import BODY_BYTES_MAX
from tests.edge_api.doorway import ANNA, AUCTION, Doorway, accepted

pytestmark = pytest.mark.quick

BID = {"amount": 150}
BIDS = f"/auctions/{AUCTION}/bids"


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, object] = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:video-marketplace:problem:{code}")
    assert body["requestId"] == answer.headers["x-request-id"]
    assert {"title", "detail", "errors"} <= body.keys()
    return body


async def test_a_request_id_is_taken_and_goes_with_the_command(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    answer = await anna.post(BIDS, json=BID, headers={"X-Request-ID": "order-66.a_b"})

    assert answer.headers["x-request-id"] == "order-66.a_b"
    assert doorway.workers.asked[0].correlation_id == "order-66.a_b"


@pytest.mark.parametrize("sent", ["", "x" * 129, "with space", "new\tline", "<script>"])
async def test_a_request_id_that_is_not_sane_is_replaced(nobody: httpx.AsyncClient, sent: str) -> None:
    made = (await nobody.get("/time", headers={"X-Request-ID": sent})).headers["x-request-id"]

    assert made != sent
    assert len(made) == 32


async def test_a_trace_goes_on_with_the_command(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    await anna.post(BIDS, json=BID, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})

    version, told, span, flags = (doorway.workers.asked[0].traceparent or "").split("-")
    assert (version, told, flags) == ("00", trace, "01")
    assert span != "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "sent", ["", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-x-y-z", "00-4BF9-1-01"]
)
async def test_a_trace_that_is_none_is_begun_anew(doorway: Doorway, anna: httpx.AsyncClient, sent: str) -> None:
    await anna.post(BIDS, json=BID, headers={"traceparent": sent})

    assert (doorway.workers.asked[0].traceparent or "").endswith("-00")


async def test_every_answer_says_how_it_may_be_used(nobody: httpx.AsyncClient) -> None:
    for path in ("/time", "/nothing-here"):
        headers = (await nobody.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in headers
        assert "server" not in headers
        assert headers["ratelimit-policy"] == "1000000;w=3600"


async def test_outside_the_local_stack_browsers_are_told_to_use_tls() -> None:
    async with Doorway(environment="production").client() as client:
        assert "max-age=31536000" in (await client.get("/time")).headers["strict-transport-security"]


async def test_only_configured_origins_may_read_answers() -> None:
    async with Doorway(cors_origins="https://app.example").client() as client:
        ours = (await client.get("/time", headers={"Origin": "https://app.example"})).headers
        theirs = (await client.get("/time", headers={"Origin": "https://evil.example"})).headers

    assert ours["access-control-allow-origin"] == "https://app.example"
    assert "Retry-After" in ours["access-control-expose-headers"]
    assert "access-control-allow-origin" not in theirs
    assert "access-control-allow-credentials" not in ours
    assert ours["vary"] == theirs["vary"] == "Origin"


async def test_a_browser_may_ask_beforehand() -> None:
    async with Doorway(cors_origins="https://app.example").client() as client:
        answer = await client.options(
            BIDS, headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        )

    assert answer.status_code == 204
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]


async def test_what_is_not_there_is_a_problem(nobody: httpx.AsyncClient) -> None:
    problem(await nobody.get("/nothing-here"), 404, "route_not_found")
    problem(await nobody.get(f"{nobody.base_url}".replace("/api/v1", "/metrics")), 404, "route_not_found")


async def test_another_method_is_a_problem_that_names_the_right_ones(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.delete("/time")

    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


async def test_a_body_must_be_json(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
        answer = await anna.post(BIDS, content=b'{"amount": 150}', headers={"Content-Type": media_type})
        problem(answer, 415, "unsupported_media_type")
    assert not doorway.workers.asked


async def test_a_charset_may_be_named(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    answer = await anna.post(
        BIDS, content=b'{"amount": 150}', headers={"Content-Type": "Application/JSON; charset=utf-8"}
    )

    assert answer.status_code == 201


async def test_a_large_body_is_refused_by_its_length_alone(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    answer = await anna.post(BIDS, content=b" " * (BODY_BYTES_MAX + 1), headers={"Content-Type": "application/json"})

    problem(answer, 413, "body_too_large")
    assert answer.headers["connection"] == "close"
    assert not doorway.workers.asked


@pytest.mark.parametrize("path", [BIDS, "/auctions", "/auth/logout-all"])
async def test_a_large_body_without_a_length_is_refused_while_it_comes(doorway: Doorway, path: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1_048_576:
            sent += 16_384
            yield b" " * 16_384

    async with doorway.client(user=ANNA, roles=("buyer", "seller")) as client:
        answer = await client.post(path, content=endless(), headers={"Content-Type": "application/json"})

    problem(answer, 413, "body_too_large")
    assert not doorway.workers.asked


async def test_a_body_of_exactly_the_limit_is_read(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    body = b'{"amount": 150}'.ljust(BODY_BYTES_MAX)

    answer = await anna.post(BIDS, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 201


async def test_a_mistake_of_ours_is_told_without_its_cause(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    def break_down(_command: object) -> object:
        raise ZeroDivisionError("the secret cause")

    doorway.workers.says = break_down  # type: ignore[assignment]

    for answer in (await anna.post(BIDS, json=BID), await anna.post("/auth/logout-all")):
        problem(answer, 500, "internal_error")
        assert "secret" not in answer.text


async def test_while_a_server_is_away_the_caller_is_told_to_come_again(
    doorway: Doorway, nobody: httpx.AsyncClient
) -> None:
    async def away(_sql: str, *_args: object) -> list[object]:
        raise ConnectionRefusedError

    doorway.edge.rows = away  # type: ignore[method-assign, assignment]

    answer = await nobody.get("/auctions")

    problem(answer, 503, "service_unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_who_is_not_logged_in_is_told_so_before_the_body_is_looked_at(nobody: httpx.AsyncClient) -> None:
    for path in (BIDS, "/auctions", "/auth/logout"):
        answer = await nobody.post(path, content=b"{not json", headers={"Content-Type": "application/json"})
        problem(answer, 401, "login_required")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_bad_token_is_told_where_one_is_needed_and_keeps_nobody_from_logging_in(doorway: Doorway) -> None:
    doorway.workers.says = lambda command: accepted(command, "mail_requested")
    async with doorway.client(authorization="Bearer nonsense") as client:
        problem(await client.post(BIDS, json=BID), 401, "invalid_token")
        problem(await client.get("/users/me"), 401, "invalid_token")
        problem(await client.get("/auctions"), 401, "invalid_token")
        answer = await client.post("/auth/password/forgot", json={"email": "anna@example.org"})

    assert answer.status_code == 200


async def test_a_login_of_another_kind_is_no_token(doorway: Doorway) -> None:
    async with doorway.client(authorization="Basic YTpi") as client:
        problem(await client.post(BIDS, json=BID), 401, "invalid_token")


async def test_while_redis_is_away_an_old_token_is_not_taken(doorway: Doorway) -> None:
    async with doorway.client(authorization=f"Bearer {doorway.token(age_s=901)}") as client:
        problem(await client.post(BIDS, json=BID), 503, "service_unavailable")


async def test_while_redis_is_away_nobody_gets_new_tokens(nobody: httpx.AsyncClient) -> None:
    for path, body in (
        ("/auth/login", {"email": "anna@example.org", "password": "secret-enough-1"}),
        ("/auth/refresh", {"refreshToken": f"{ANNA}.{ANNA}.x"}),
        ("/live/ticket", {}),
    ):
        problem(await nobody.post(path, json=body), 503, "service_unavailable")


async def test_while_redis_is_away_limits_are_counted_here() -> None:
    doorway = Doorway(limit_per_address_per_hour=3)
    async with doorway.client() as client:
        answers = [await client.get("/time") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    problem(answers[-1], 429, "rate_limited")
    assert int(answers[-1].headers["retry-after"]) == 1200


async def test_an_address_is_that_of_the_client_behind_our_own_proxy_only() -> None:
    doorway = Doorway(limit_per_address_per_hour=1, trusted_proxies="203.0.113.9, 10.0.0.1")
    async with doorway.client() as client:
        first = await client.get("/time", headers={"X-Forwarded-For": "9.9.9.9, 198.51.100.1, 10.0.0.1"})
        again = await client.get("/time", headers={"X-Forwarded-For": "8.8.8.8, 198.51.100.1"})
        other = await client.get("/time", headers={"X-Forwarded-For": "198.51.100.2"})
    untrusted = Doorway(limit_per_address_per_hour=1)
    async with untrusted.client() as client:
        one = await client.get("/time", headers={"X-Forwarded-For": "198.51.100.1"})
        two = await client.get("/time", headers={"X-Forwarded-For": "198.51.100.2"})

    assert [answer.status_code for answer in (first, again, other, one, two)] == [200, 429, 200, 200, 429]


async def test_a_page_runs_its_own_script_only(doorway: Doorway) -> None:
    async with doorway.client() as client:
        for path in ("verify", "reset"):
            answer = await client.get(f"http://edge.example/{path}?token=abc")
            policy = answer.headers["content-security-policy"]
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/html")
            assert "script-src 'sha256-" in policy
            assert "unsafe" not in policy
            assert "abc" not in answer.text


async def test_the_access_log_goes_on_after_it_could_not_be_written(
    doorway: Doorway, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async with doorway.client() as client:
        with monkeypatch.context() as nobody_reads:
            nobody_reads.setattr("sys.stdout", Mock(**{"buffer.write.side_effect": BrokenPipeError}))
            await client.get("/time")
            with pytest.raises(BrokenPipeError):
                access_log.flush()
        await client.get("/time")
        async with asyncio.timeout(5):
            while not (said := capfdbinary.readouterr().out):  # noqa: ASYNC110 - the loop's own timer writes it
                await asyncio.sleep(0.01)

    assert [json.loads(line)["route"] for line in said.splitlines()] == ["/api/v1/time"]


async def test_a_request_is_counted_and_logged_under_its_route_never_its_address(
    doorway: Doorway, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    access_log.flush()
    capfdbinary.readouterr()
    async with doorway.client(user=ANNA) as client:
        for path in (f"/api/v1/auctions/{AUCTION}", "/verify?token=planted", f"/watch/{AUCTION}", "/planted/address"):
            await client.get(f"http://edge.example{path}")
        await client.post(BIDS, json=BID)

    access_log.flush()
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [line["route"] for line in lines] == [
        "/api/v1/auctions/{auction_id}",
        "/verify",
        "/watch/{auction_id}",
        "unmatched",
        "/api/v1/auctions/{auction_id}/bids",
    ]
    assert lines[0]["user"] == str(ANNA)
    assert "planted" not in str(lines)
