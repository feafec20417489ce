"""Whatever is sent, the answer is a 4xx problem that names the field, and nothing comes to a topic."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from compose.settings import Settings
from schemas import envelope
from tests.edge_api.doorway import MINA, Doorway, new_id
from tests.edge_api.hostile import BAD_ADDRESSES, NEEDS_REDIS, WITHOUT_A_BODY, WRITES, Write
from tests.edge_api.real import running
from topics.catalog import AUCTION_COMMANDS, USER_COMMANDS

JSON = {"Content-Type": "application/json"}
EVERY_ROLE = ("buyer", "seller", "admin")
MARK = "hostile-"
NO_LIMITS = {"limit_per_address_per_hour": 10**9, "limit_per_user_per_minute": 10**9, "limit_login_per_minute": 10**9}


@pytest.fixture
async def mighty(doorway: Doorway) -> AsyncIterator[httpx.AsyncClient]:
    """A client who may do everything, so that nothing but the input is in the way."""
    async with doorway.client(user=MINA, roles=EVERY_ROLE) as client:
        yield client


def complaint(answer: httpx.Response, field: str) -> str | None:
    """What is wrong with a refusal; None when it is as it should be."""
    if not 400 <= answer.status_code <= 499 or answer.headers["content-type"] != "application/problem+json":
        return f"answered {answer.status_code} {answer.text[:200]}"
    named = [error["field"] for error in answer.json()["errors"]]
    # JSON that cannot be read has no fields to name.
    if not any(
        name == "body" or name == field or name.startswith((f"{field}.", field.partition(".")[0])) for name in named
    ):
        return f"named {named}"
    return None


@pytest.mark.quick
@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
async def test_no_bad_value_comes_through_a_field(write: Write, doorway: Doorway, mighty: httpx.AsyncClient) -> None:
    complaints = []
    for field, value, body in write.attacks():
        answer = await mighty.request(write.method, write.path, content=body, headers=JSON)
        if (wrong := complaint(answer, field)) is not None:
            complaints.append(f"{field} = {value}: {wrong}")

    assert not complaints
    assert not doorway.workers.asked


@pytest.mark.quick
@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
async def test_a_megabyte_is_not_read(write: Write, doorway: Doorway, mighty: httpx.AsyncClient) -> None:
    answer = await mighty.request(write.method, write.path, content=b'{"a":"' + b"x" * 1_048_576, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert not doorway.workers.asked


@pytest.mark.quick
@pytest.mark.parametrize("route", WITHOUT_A_BODY)
async def test_where_no_body_is_wanted_none_with_fields_is_taken(
    route: str, doorway: Doorway, mighty: httpx.AsyncClient
) -> None:
    method, path = route.split()

    for body in (b'{"userId":"x"}', b"[]", b"{", b"NaN"):
        answer = await mighty.request(method, path, content=body, headers=JSON)
        assert answer.status_code in (400, 422), body
    assert not doorway.workers.asked


@pytest.mark.quick
@pytest.mark.parametrize("route", BAD_ADDRESSES)
async def test_a_bad_address_is_refused(route: str, doorway: Doorway, mighty: httpx.AsyncClient) -> None:
    method, path = route.split(" ", 1)

    answer = await mighty.request(method, path, json={"amount": 5} if method == "POST" else None)

    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not doorway.workers.asked


@pytest.mark.quick
@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "schlüssel", "tab\there", "null\x00"])
async def test_an_idempotency_key_is_visible_ascii(key: str, doorway: Doorway, mighty: httpx.AsyncClient) -> None:
    for path, body in ((WRITES[0].path, {"amount": 5}), ("/auth/logout-all", {})):
        answer = await mighty.post(path, json=body, headers={b"Idempotency-Key": key.encode()})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]
    assert not doorway.workers.asked


@pytest.mark.stack
async def test_nothing_of_it_comes_to_a_topic(stack: Settings) -> None:
    reader = AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap, enable_auto_commit=False)
    async with reader, running(stack, **NO_LIMITS) as real, real.client() as client:
        token = real.edge.tokens.make(MINA, EVERY_ROLE, str(new_id()), at=time.time())
        places = [
            TopicPartition(topic.name, number)
            for topic in (AUCTION_COMMANDS, USER_COMMANDS)
            for number in range(stack.partitions)
        ]
        before = await reader.end_offsets(places)
        complaints = [
            f"{write.name} {field} = {value}: {wrong}"
            for write in (*WRITES, *NEEDS_REDIS)
            for number, (field, value, body) in enumerate(write.attacks())
            if (wrong := complaint(await _send(client, token, write, body, number), field)) is not None
        ]
        told = await _told_since(reader, before)
        alive = await client.get("/time")

    assert not complaints
    assert [name for name in told if name.startswith(MARK)] == []
    assert alive.status_code == 200


async def _send(client: httpx.AsyncClient, token: str, write: Write, body: bytes, number: int) -> httpx.Response:
    headers = {**JSON, "Authorization": f"Bearer {token}", "X-Request-ID": f"{MARK}{number}"}
    return await client.request(write.method, write.path, content=body, headers=headers)


async def _told_since(reader: AIOKafkaConsumer, before: dict[TopicPartition, int]) -> list[str]:
    """Correlation ids of all that came to these places since; others (the clock) may have spoken meanwhile."""
    told: list[str] = []
    after = await reader.end_offsets(list(before))
    grown = [place for place in before if after[place] > before[place]]
    reader.assign(grown)
    for place in grown:
        reader.seek(place, before[place])
        while await reader.position(place) < after[place]:
            found = await reader.getmany(place, timeout_ms=1_000)
            told += [envelope.header(record.headers, envelope.CORRELATION_ID) or "" for record in found.get(place, [])]
    return told
