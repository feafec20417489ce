"""The process and its HTTP server: what no application sees, and how it starts and stops."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from compose.settings import Settings
from edge_api.server import HEAD_BYTES_MAX, server_of
from tests.edge_api.doorway import KEY, Doorway, settings
from tests.edge_api.waiting import found, until

STOPS_WITHIN_S = 5


def free_port() -> int:
    with socket.socket() as found_socket:
        found_socket.bind(("127.0.0.1", 0))
        port: int = found_socket.getsockname()[1]
        return port


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """A real server around an edge without servers behind it; yields its port."""
    port = free_port()
    server = server_of(Doorway().app, settings(edge_port=port))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield port
    finally:
        server.should_exit = True
        await serving


async def spoken(port: int, *parts: bytes) -> bytes:
    """What the server says to bytes, until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.quick
@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"POST /api/v1/auctions HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /api/v1/auctions HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/v1/auctions HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /api/v1/time HTTP/1.1\r\nX: " + b"x" * (HEAD_BYTES_MAX + 1) + b"\r\n\r\n",
        b"GET /api/v1/time?" + b"x" * (HEAD_BYTES_MAX + 1) + b" HTTP/1.1\r\n\r\n",
    ],
    ids=lambda said: said[:40].decode("latin-1"),
)
async def test_broken_http_is_a_problem_too(said: bytes) -> None:
    async with listening() as port:
        head, _, body = (await spoken(port, said)).partition(b"\r\n\r\n")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            alive = await client.get("/api/v1/time")

    assert head.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad_request"
    assert alive.status_code == 200


@pytest.mark.quick
async def test_a_head_without_end_is_cut_off() -> None:
    async with listening() as port:
        endless = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 1000) for number in range(40))
        answer = await spoken(port, b"GET / HTTP/1.1\r\n", endless)

    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.quick
async def test_a_connection_stays_open_for_the_next_request() -> None:
    async with listening() as port:
        request = b"GET /api/v1/time HTTP/1.1\r\nHost: x\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    assert b"transfer-encoding" not in head


@asynccontextmanager
async def process(**env: str) -> AsyncIterator["asyncio.subprocess.Process"]:
    """`python -m edge_api` with an environment."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge_api"),
        env={**os.environ, **env},
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        started._transport.close()  # type: ignore[attr-defined]


@pytest.mark.quick
@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({}, "JWT_KEYS"),
        ({"JWT_KEYS": f"k:{KEY}"}, "SEALING_KEYS"),
        ({"JWT_KEYS": "secret"}, "JWT_KEYS"),
    ],
    ids=["nothing", "one key", "no key"],
)
async def test_outside_the_local_stack_it_does_not_start_without_secrets(env: dict[str, str], variable: str) -> None:
    async with process(**{"MARKETPLACE_ENV": "", "ENVIRONMENT": "production", **env}) as started:
        said, _ = await started.communicate()

    assert started.returncode == 1
    assert variable in said.decode()
    assert KEY not in said.decode()


@pytest.mark.stack
async def test_it_is_ready_serves_and_stops_when_asked(stack: Settings) -> None:
    public, internal = str(free_port()), str(free_port())
    async with process(EDGE_PORT=public, INTERNAL_PORT=internal) as started, httpx.AsyncClient() as client:
        log = asyncio.create_task(_drained(started))

        async def look(port: str, path: str) -> httpx.Response | None:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}{path}")
            except httpx.TransportError:
                return None
            return answer if answer.status_code == 200 else None

        await found(lambda: look(internal, "/ready"))
        await found(lambda: look(public, "/api/v1/time"))
        secret_path = await client.get(f"http://127.0.0.1:{public}/api/v1/auctions?tag=planted-in-a-query")
        metrics = (await found(lambda: look(internal, "/metrics"))).text
        outside = [
            (await client.get(f"http://127.0.0.1:{public}{path}")).status_code for path in ("/ready", "/metrics")
        ]
        asked_to_stop = time.monotonic()
        started.send_signal(signal.SIGTERM)
        code = await started.wait()
        took = time.monotonic() - asked_to_stop
        lines = [json.loads(line) for line in (await log).splitlines()]

    assert (code, outside, secret_path.status_code) == (0, [404, 404], 200)
    assert took < STOPS_WITHIN_S
    assert 'http_requests_total{method="GET",route="/api/v1/time",status="200"} 1.0' in metrics
    assert "http_request_duration_seconds_bucket" in metrics
    request = next(line for line in lines if line["event"] == "request" and line["route"] == "/api/v1/time")
    assert request.keys() >= {"method", "status", "ms", "request_id", "trace_id", "timestamp"}
    assert "planted-in-a-query" not in str(lines)


async def _drained(started: "asyncio.subprocess.Process") -> str:
    assert started.stdout is not None
    said: bytes = await started.stdout.read()
    return said.decode()


@pytest.mark.stack
async def test_it_listens_and_says_what_it_waits_for_while_everything_is_away(stack: Settings) -> None:
    nobody: dict[str, Any] = {
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "POSTGRES_PORT": "1",
    }
    public, internal = str(free_port()), str(free_port())
    async with process(EDGE_PORT=public, INTERNAL_PORT=internal, **nobody) as started, httpx.AsyncClient() as client:
        log = asyncio.create_task(_drained(started))

        async def waiting() -> dict[str, Any] | None:
            try:
                answer = await client.get(f"http://127.0.0.1:{internal}/ready")
            except httpx.TransportError:
                return None
            told: dict[str, Any] = answer.json()
            return told if answer.status_code == 503 and len(told.get("reasons", {})) == 2 else None

        reasons = (await found(waiting))["reasons"]
        alive = await client.get(f"http://127.0.0.1:{internal}/health")
        clock = await client.get(f"http://127.0.0.1:{public}/api/v1/time")
        auctions = await client.get(f"http://127.0.0.1:{public}/api/v1/auctions")
        asked_to_stop = time.monotonic()
        started.send_signal(signal.SIGTERM)
        code = await started.wait()
        took = time.monotonic() - asked_to_stop
        await log

    assert reasons.keys() == {"commands", "postgres"}
    assert (alive.status_code, clock.status_code) == (200, 200)
    assert (auctions.status_code, auctions.json()["code"]) == (503, "service_unavailable")
    assert code == 0
    assert took < STOPS_WITHIN_S
