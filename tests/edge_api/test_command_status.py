"""202 and GET /commands/{id}: what was not decided in time is told later as it would have been told at once."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from compose.settings import Settings
from edge_api.shapes import CommandOutcome, PendingCommand
from producers.person import PASSWORD, Person
from tests.conftest import NewPeople
from tests.edge_api.doorway import new_id
from tests.edge_api.real import RealEdge, running
from tests.edge_api.waiting import found

pytestmark = pytest.mark.stack


@pytest.fixture
async def impatient(stack: Settings) -> AsyncIterator[RealEdge]:
    """An edge that waits for no decision."""
    async with running(stack, decision_wait_ms=0) as edge:
        yield edge


def pending(answer: httpx.Response) -> str:
    assert answer.status_code == 202
    told = PendingCommand.model_validate(answer.json())
    assert answer.headers["location"] == told.status_url == f"/api/v1/commands/{told.command_id}"
    return str(told.command_id)


async def outcome(client: httpx.AsyncClient, command_id: str, headers: dict[str, str]) -> httpx.Response:
    async def decided() -> httpx.Response | None:
        answer = await client.get(f"/commands/{command_id}", headers=headers)
        if answer.status_code == 200 and answer.json()["status"] == "pending":
            PendingCommand.model_validate(answer.json())
            return None
        return answer

    return await found(decided)


async def bid(edge: RealEdge, person: Person, auction: str, amount: float, **headers: str) -> httpx.Response:
    async with edge.client() as client:
        return await client.post(
            f"/auctions/{auction}/bids", json={"amount": amount}, headers={**person.headers, **headers}
        )


async def offer(seller: Person) -> str:
    return str((await seller.post("/auctions", {"title": "Lens", "startingPrice": 100, "duration": 600}))["id"])


async def test_an_accepted_bid_is_told_as_it_would_have_been(people: NewPeople, impatient: RealEdge) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    key = {"Idempotency-Key": uuid4().hex}
    command_id = pending(await bid(impatient, anna, auction, 100, **key))

    async with impatient.client() as client:
        answer = await outcome(client, command_id, anna.headers)
    at_once = await anna.http.post(f"/auctions/{auction}/bids", json={"amount": 100}, headers={**anna.headers, **key})

    told = CommandOutcome.model_validate(answer.json())
    assert (answer.status_code, told.status, str(told.command_id)) == (200, "accepted", command_id)
    assert answer.json()["answer"] == at_once.json()


async def test_a_refused_bid_is_told_with_its_problem(people: NewPeople, impatient: RealEdge) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    command_id = pending(await bid(impatient, anna, auction, 1))

    async with impatient.client() as client:
        answer = await outcome(client, command_id, anna.headers)

    assert (answer.status_code, answer.json()["code"], answer.json()["minimum"]) == (409, "below_start_price", 100)


async def test_only_its_sender_is_told(people: NewPeople, impatient: RealEdge) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    command_id = pending(await bid(impatient, anna, await offer(mina), 100))

    async with impatient.client() as client:
        await outcome(client, command_id, anna.headers)
        others = [
            await client.get(f"/commands/{command_id}", headers=headers) for headers in (ben.headers, mina.headers, {})
        ]
        unknown = await client.get(f"/commands/{new_id()}", headers=anna.headers)

    assert {answer.status_code for answer in (*others, unknown)} == {404}
    assert {answer.json()["code"] for answer in (*others, unknown)} == {"command_not_found"}


async def test_whoever_registers_and_logs_in_is_told_at_the_same_address_only(
    http: httpx.AsyncClient, impatient: RealEdge
) -> None:
    name = f"mina-{uuid4().hex[:8]}"
    said = {"email": f"{name}@example.org", "password": PASSWORD, "username": name, "fullName": "Mina Harker"}
    async with impatient.client() as client, impatient.client("198.51.100.7") as elsewhere:
        registering = pending(await client.post("/auth/register", json=said))
        registered = await outcome(client, registering, {})
        logging_in = pending(await client.post("/auth/login", json={"email": said["email"], "password": PASSWORD}))
        session = await outcome(client, logging_in, {})
        spied = [(await elsewhere.get(f"/commands/{one}")).status_code for one in (registering, logging_in)]

    told: dict[str, Any] = registered.json()["answer"]
    assert (told["email"], told["fullName"], told["isVerified"]) == (said["email"], "Mina Harker", False)
    answer = session.json()["answer"]
    me = await http.get("/users/me", headers={"Authorization": f"Bearer {answer['accessToken']}"})
    refreshed = await http.post("/auth/refresh", json={"refreshToken": answer["refreshToken"]})
    assert (me.json()["id"], refreshed.status_code) == (told["id"], 200)
    assert spied == [404, 404]


async def test_what_was_answered_at_once_can_be_asked_for_too(people: NewPeople, impatient: RealEdge) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    command_id = pending(await bid(impatient, anna, auction, 100))
    await impatient.edge.redis.delete(f"command:{command_id}")

    async with impatient.client() as client:

        async def decided() -> httpx.Response | None:
            answer = await client.get(f"/commands/{command_id}", headers=anna.headers)
            return None if answer.status_code == 404 else answer

        answer = await found(decided)

    assert answer.json()["answer"]["auctionId"] == auction
    assert anna.user_id not in answer.text


async def test_what_is_kept_of_a_pending_command_is_sealed(impatient: RealEdge) -> None:
    name = f"mina-{uuid4().hex[:8]}"
    said = {"email": f"{name}@example.org", "password": PASSWORD, "username": name, "fullName": "Mina Harker"}
    async with impatient.client() as client:
        command_id = pending(await client.post("/auth/register", json=said))

    kept = await impatient.edge.redis.get(f"command:{command_id}")

    assert kept is not None
    assert not any(word in kept for word in (name, "Harker", PASSWORD))
    assert 0 < await impatient.edge.redis.ttl(f"command:{command_id}") <= 86_400
