"""What the edge tells the workers: whose command it is, where it goes, and no secret in clear."""

import hashlib
import json
from uuid import UUID, uuid4

import httpx
import pytest
from msgspec import Raw

from edge_api.asking import Sender
from producers.commands import Command, Pending, Unavailable
from schemas import envelope
from schemas.envelope import Actor, Reply, aggregate_of, command_id_of, write_actor
from schemas.roles import PERMISSIONS
from schemas.sealed import TopicSeal
from tests.edge_api.doorway import ANNA, AUCTION, MINA, Doorway, accepted, new_id, refused, who

pytestmark = pytest.mark.quick

SECRET = "correct-horse-battery-7"
EMAIL = "Mina@example.org"
REGISTRATION = {"email": EMAIL, "password": SECRET, "username": "mina", "fullName": "Mina Harker"}


def in_clear(command: Command) -> str:
    """All of a command that stands on the topic."""
    headers = envelope.command_headers(
        command_id=command.command_id,
        ce_type=command.message.ce_type,
        source="/edge",
        subject=str(command.aggregate),
        schema=command.message.schema,
        at="",
        actor=command.actor,
        correlation_id=command.correlation_id,
        traceparent=command.traceparent,
        fingerprint=command.fingerprint,
        deadline_ms=command.deadline_ms,
    )
    return (command.data + b"".join(value for _, value in headers)).decode()


def opened(doorway: Doorway, field: str) -> str:
    """What a sealed field of the last command says."""
    seal = TopicSeal(doorway.edge.settings.keys_of_seals)
    command = doorway.workers.asked[-1]
    return seal.open(doorway.workers.data[field], message_id=str(command.command_id), field=field)


async def test_a_registration_holds_nothing_of_the_person_in_clear(doorway: Doorway, nobody: httpx.AsyncClient) -> None:
    doorway.workers.says = lambda command: accepted(command, "registered", createdAt="2026-03-01T18:00:00.000Z")

    answer = await nobody.post("/auth/register", json=REGISTRATION, headers={"Idempotency-Key": "k1"})

    [command] = doorway.workers.asked
    assert answer.status_code == 201
    assert answer.json()["email"] == EMAIL
    assert not any(word in in_clear(command) for word in ("Mina", "Harker", "xample", "correct-horse", "203.0.113"))
    assert opened(doorway, "passwordSealed") == SECRET
    assert opened(doorway, "emailSealed") == EMAIL
    assert opened(doorway, "fullNameSealed") == "Mina Harker"
    assert (command.actor.roles, UUID(command.actor.id).version) == ((), 5)
    assert command.aggregate == UUID(doorway.workers.data["userId"])


async def test_one_address_is_hashed_the_same_however_it_is_written(
    doorway: Doorway, nobody: httpx.AsyncClient
) -> None:
    for address in ("mina@example.org", "MINA@EXAMPLE.ORG"):
        await nobody.post("/auth/password/forgot", json={"email": address})

    first, second = doorway.workers.asked
    assert first.aggregate == second.aggregate == aggregate_of("email", doorway.edge.email_hash("mina@example.org"))


async def test_the_fingerprint_of_a_secret_cannot_be_guessed(doorway: Doorway, nobody: httpx.AsyncClient) -> None:
    doorway.workers.says = lambda command: accepted(command, "registered", createdAt="")
    other = Doorway(email_hash_key="Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0M")
    other.workers.says = doorway.workers.says
    key = {"Idempotency-Key": "k1"}

    await nobody.post("/auth/register", json=REGISTRATION, headers=key)
    await nobody.post("/auth/register", json=REGISTRATION, headers=key)
    await nobody.post("/auth/register", json={**REGISTRATION, "password": "another-horse-1"}, headers=key)
    async with other.client() as client:
        await client.post("/auth/register", json=REGISTRATION, headers=key)

    first, again, changed = (command.fingerprint for command in doorway.workers.asked)
    assert first == again != changed
    assert other.workers.asked[0].fingerprint != first
    assert first not in {hashlib.sha256(text.encode()).hexdigest() for text in (SECRET, json.dumps(REGISTRATION))}


async def test_a_login_sends_a_seal_and_a_hash_and_answers_with_tokens() -> None:
    doorway = Doorway()
    doorway.redis_is_back()
    doorway.edge.views["login_lookup"] = [{"user_id": MINA}]
    doorway.workers.says = lambda command: accepted(
        command, "logged_in", **who(MINA, json.loads(command.data)["sessionId"], "buyer", "seller")
    )

    async with doorway.client() as client:
        session = (await client.post("/auth/login", json={"email": EMAIL, "password": SECRET})).json()

    [command] = doorway.workers.asked
    secret = session["refreshToken"].rpartition(".")[2]
    assert secret not in in_clear(command)
    assert doorway.workers.data["refreshHash"] == hashlib.sha256(secret.encode()).hexdigest()
    assert opened(doorway, "passwordSealed") == SECRET
    assert doorway.edge.tokens.read(session["accessToken"]).roles == ("buyer", "seller")
    assert command.aggregate == MINA


async def test_a_mailed_token_goes_on_as_its_hash(doorway: Doorway, nobody: httpx.AsyncClient) -> None:
    token = f"{MINA}.the-secret-of-the-mail"

    await nobody.post("/auth/verify-email", json={"token": token})
    await nobody.post("/auth/password/reset", json={"token": token, "password": "another-horse-8"})

    for command in doorway.workers.asked:
        assert "secret-of-the-mail" not in in_clear(command)
        assert json.loads(command.data)["tokenHash"] == hashlib.sha256(token.encode()).hexdigest()
        assert command.aggregate == MINA
    assert opened(doorway, "newSealed") == "another-horse-8"


async def test_a_password_changes_behind_two_seals(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    doorway.workers.says = lambda command: accepted(command, "password_changed", roles=["buyer"], decidedAt=1)

    await anna.put("/auth/password", json={"currentPassword": SECRET, "newPassword": "another-horse-8"})

    assert (opened(doorway, "currentSealed"), opened(doorway, "newSealed")) == (SECRET, "another-horse-8")
    assert SECRET not in in_clear(doorway.workers.asked[0])


async def test_a_bid_goes_to_its_auction_in_its_bidder_s_name(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    await anna.post(f"/auctions/{AUCTION}/bids", json={"amount": 150.25, "maxAmount": 180})

    [command] = doorway.workers.asked
    assert (command.message.name, command.aggregate) == ("PlaceBid", AUCTION)
    assert command.data == b'{"amount":150.25,"maxAmount":180.0,"confirmed":false}'
    assert write_actor(command.actor) == b'{"id":"%b","roles":["buyer"]}' % str(ANNA).encode()
    assert command.fingerprint is None


async def test_a_key_names_the_command_and_its_body_the_fingerprint(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "order-66"}
    bids = f"/auctions/{AUCTION}/bids"
    for path, body in (
        (bids, '{"amount":150}'),
        (bids, ' { "amount" : 150.00, "confirmed": false, "message": null } '),
        (bids, '{"amount":151}'),
        (f"/auctions/{new_id()}/bids", '{"amount":150}'),
        (f"/auctions/{AUCTION}/buy-now", "{}"),
    ):
        await anna.post(path, content=body, headers={**key, "Content-Type": "application/json"})

    asked = doorway.workers.asked
    first, same, other_body, other_auction, other_command = (command.fingerprint for command in asked)
    assert {command.command_id for command in asked} == {command_id_of(ANNA, "order-66")}
    assert first == same
    assert len({first, other_body, other_auction, other_command}) == 4


async def test_the_same_key_of_another_person_is_another_command(doorway: Doorway) -> None:
    key = {"Idempotency-Key": "order-66"}
    for user in (ANNA, MINA):
        async with doorway.client(user=user) as client:
            await client.post(f"/auctions/{AUCTION}/bids", json={"amount": 1}, headers=key)

    first, second = doorway.workers.asked
    assert first.command_id != second.command_id


async def test_a_repeated_offer_is_the_same_auction_and_an_unrepeated_one_another(
    doorway: Doorway, mina: httpx.AsyncClient
) -> None:
    offer, key = {"title": "Lens", "startingPrice": 1, "duration": 60}, {"Idempotency-Key": "k"}
    for headers in (key, key, {}, {}):
        await mina.post("/auctions", json=offer, headers=headers)

    ids = [command.aggregate for command in doorway.workers.asked]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


async def test_a_blocked_bidder_is_named_to_the_worker_not_by_the_pseudonym(
    doorway: Doorway, mina: httpx.AsyncClient
) -> None:
    doorway.edge.views["my_bid_view"] = [{"bidder_id": MINA}, {"bidder_id": ANNA}]
    alias, stranger = doorway.edge.pseudonym(AUCTION, ANNA), str(new_id())

    for name in (alias, stranger):
        await mina.post(f"/auctions/{AUCTION}/blocked", json={"bidderId": name})

    assert [json.loads(command.data)["bidderId"] for command in doorway.workers.asked] == [str(ANNA), stranger]


@pytest.mark.parametrize("roles", [("buyer",), ("buyer", "seller"), ("admin",)], ids="+".join)
async def test_a_role_permits_what_the_specification_says(doorway: Doorway, roles: tuple[str, ...]) -> None:
    granted = {permission for role in roles for permission in PERMISSIONS[role]}
    async with doorway.client(user=ANNA, roles=roles) as client:
        offered = await client.post("/auctions", json={"title": "Lens", "startingPrice": 1, "duration": 60})
        suspended = await client.post(f"/users/{MINA}/suspend", json={"reason": "x"})

    assert (offered.status_code == 201) == bool(granted & {"create_auctions", "*"})
    assert (suspended.status_code == 200) == ("*" in granted)


async def test_what_is_not_decided_in_time_is_pending(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    doorway.workers.says = lambda command: Pending(command.command_id, "deadline")

    answer = await anna.post(f"/auctions/{AUCTION}/bids", json={"amount": 1})

    command_id = str(doorway.workers.asked[0].command_id)
    assert answer.status_code == 202
    assert answer.json() == {
        "commandId": command_id,
        "status": "pending",
        "statusUrl": f"/api/v1/commands/{command_id}",
    }
    assert answer.headers["location"] == answer.json()["statusUrl"]


async def test_what_was_not_published_may_be_sent_again(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    doorway.workers.says = lambda _command: Unavailable("Kafka does not answer", 7)

    answer = await anna.post(f"/auctions/{AUCTION}/bids", json={"amount": 1})

    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer.headers["retry-after"] == "7"
    assert "Kafka" not in answer.text


async def test_a_refusal_carries_what_belongs_to_its_reason(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    doorway.workers.says = lambda command: refused(
        command, "below_minimum", detail="The bid is below the minimum of 155.00 USD.", minimum=155.5, currency="USD"
    )

    answer = await anna.post(f"/auctions/{AUCTION}/bids", json={"amount": 1})

    told = answer.json()
    assert (answer.status_code, told["code"], told["minimum"], told["currency"]) == (409, "below_minimum", 155.5, "USD")
    assert told["detail"] == "The bid is below the minimum of 155.00 USD."


async def test_a_refusal_cannot_take_the_place_of_the_problem_s_own_members(
    doorway: Doorway, anna: httpx.AsyncClient
) -> None:
    doorway.workers.says = lambda command: refused(command, "own_auction", type="x", title="x", status=1, requestId="x")

    answer = await anna.post(f"/auctions/{AUCTION}/bids", json={"amount": 1})

    assert (answer.status_code, answer.json()["status"]) == (403, 403)
    assert answer.json()["requestId"] == answer.headers["x-request-id"]


async def test_a_code_that_a_newer_worker_made_up_is_a_conflict(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    doorway.workers.says = lambda command: refused(command, "moon_is_full")

    answer = await anna.post(f"/auctions/{AUCTION}/bids", json={"amount": 1})

    assert (answer.status_code, answer.json()["code"]) == (409, "moon_is_full")


async def test_amounts_of_an_answer_stay_as_the_worker_wrote_them(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    answered = b'{"bidderId":"%b","amount":150.10,"minimumNextBid":99999999.99}' % str(ANNA).encode()
    doorway.workers.says = lambda command: Reply(command.command_id, "accepted", "leading", Raw(answered))

    answer = await anna.post(f"/auctions/{AUCTION}/bids", json={"amount": 1})

    assert b"150.10" in answer.content
    assert b"99999999.99" in answer.content
    assert answer.json()["bidderId"] == doorway.edge.pseudonym(AUCTION, ANNA)
    assert str(ANNA) not in answer.text


def test_an_id_that_is_not_to_be_repeated_grows_with_time() -> None:
    sender = Sender(Actor(str(uuid4())), new_id(), repeatable=False)

    ids = [sender.new_id("auction") for _ in range(3)]

    assert [one.int >> 80 for one in ids] == sorted(one.int >> 80 for one in ids)
