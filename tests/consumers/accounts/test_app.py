"""Accounts as running processes: two workers, real topics, real Redis."""

import asyncio
import json
import secrets
import time
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from compose.settings import Settings
from consumers.accounts.verify import verify
from schemas.envelope import Actor, new_command_id
from schemas.sealed import UserKeys, open_for_user
from tests.consumers.accounts.caller import PASSWORD, Caller
from topics.catalog import USER_COMMANDS, USER_EVENTS

pytestmark = pytest.mark.stack

OPERATOR = Actor("cli", ("system",))


def fresh(name: str) -> str:
    """A name that no other run has."""
    return f"{name}-{secrets.token_hex(4)}"


async def verified(caller: Caller, owner: asyncpg.Connection, username: str, *roles: str) -> UUID:
    """Somebody whose address is proved, with roles."""
    user_id, _ = await caller.register(username)
    [token] = await tokens_of(caller.settings, owner, user_id)
    answer = await caller.ask("VerifyEmail", user_id, token_hash=sha256(token.encode()).hexdigest())
    assert answer.code == "email_verified"
    for role in roles:
        assert (await caller.ask("GrantRole", user_id, by=OPERATOR, role=role)).code == "role_granted"
    return user_id


async def tokens_of(settings: Settings, owner: asyncpg.Connection, user_id: UUID) -> list[str]:
    """The tokens mailed to somebody, opened as notifications opens them."""
    wrapped = await owner.fetchval("SELECT wrapped_key FROM accounts.keyring WHERE user_id = $1", user_id)
    key = UserKeys(settings.keys_of_seals).unwrap(wrapped, user_id=str(user_id))
    rows = await owner.fetch("SELECT events FROM accounts.log WHERE aggregate = $1 ORDER BY first_seq", user_id)
    events = [json.loads(value) for row in rows for value in row["events"]]
    sealed = [event["data"]["sealedToken"] for event in events if "sealedToken" in event["data"]]
    return [open_for_user(seal, user_key=key, user_id=str(user_id), field="token") for seal in sealed]


async def read_all(settings: Settings, topic: str) -> list[bytes]:
    """Every byte of every record that a topic holds."""
    partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
    found: list[bytes] = []
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        async with asyncio.timeout(30):
            while any([await consumer.position(one) < ends[one] for one in partitions]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        found += [record.key, record.value, *(value for _, value in record.headers)]
    return found


async def test_of_many_who_register_one_name_at_once_exactly_one_gets_it(caller: Caller) -> None:
    for _ in range(3):
        username, email = fresh("anna"), f"{fresh('anna')}@home.example"
        same_name = [
            caller.register(username.upper() if one % 2 else username, email=fresh("e") + "@x.example")
            for one in range(8)
        ]
        same_mail = [caller.register(fresh("ben"), email=email) for one in range(8)]

        names = [answer.code for _, answer in await asyncio.gather(*same_name)]
        mails = [answer.code for _, answer in await asyncio.gather(*same_mail)]

        assert sorted(names) == ["registered", *["username_taken"] * 7]
        assert sorted(mails) == [*["email_taken"] * 7, "registered"]


async def test_name_and_address_fought_over_crosswise_never_leave_half_an_account(
    caller: Caller, owner: asyncpg.Connection
) -> None:
    users = [fresh("anna") for _ in range(4)]
    mails = [f"{fresh('anna')}@home.example" for _ in range(4)]

    answers = await asyncio.gather(*(caller.register(user, email=mail) for user in users for mail in mails))

    won = [user_id for user_id, answer in answers if answer.code == "registered"]
    assert {answer.code for _, answer in answers} <= {"registered", "username_taken", "email_taken"}
    assert 1 <= len(won) <= 4
    for table in ("account", "keyring", "email_owner", "username_owner"):
        column = "id" if table == "account" else "user_id"
        ids = [user_id for user_id, _ in answers]
        rows = await owner.fetch(f"SELECT {column} FROM accounts.{table} WHERE {column} = ANY($1)", ids)
        assert {row[0] for row in rows} == set(won), table
    assert await verify(caller.settings) == 0


async def test_a_command_sent_twice_is_decided_once(caller: Caller, owner: asyncpg.Connection) -> None:
    command_id, session = new_command_id(), uuid4()
    anna, _ = await caller.register(fresh("anna"))

    said: dict[str, Any] = {"password_sealed": PASSWORD, "session_id": session, "refresh_hash": "refresh-1"}
    first = await caller.ask("LogIn", anna, command_id=command_id, **dict(said))
    second = await caller.ask("LogIn", anna, command_id=command_id, **dict(said))

    assert first == second
    assert await owner.fetchval("SELECT count(*) FROM accounts.session_view WHERE user_id = $1", anna) == 1


async def test_a_suspension_is_in_redis_before_its_answer(caller: Caller, owner: asyncpg.Connection) -> None:
    ada = await verified(caller, owner, fresh("ada"), "admin")
    anna = await verified(caller, owner, fresh("anna"))
    await caller.log_in(anna)
    admin = Actor(str(ada), ("buyer", "admin"))
    before = time.time()

    assert (await caller.ask("SuspendUser", anna, by=admin, reason="sold a lamp twice")).code == "suspended"

    assert await caller.redis.get(f"suspended:user:{anna}") == "1"
    assert before - 1 < float(await caller.redis.get(f"revoked:user:{anna}") or 0) < time.time() + 1
    assert (await caller.log_in(anna)).code == "account_suspended"
    assert (await caller.ask("WatchAuction", anna, auction_id=uuid4())).code == "account_suspended"

    assert (await caller.ask("ReinstateUser", anna, by=admin, reason="two lamps")).code == "reinstated"
    assert await caller.redis.get(f"suspended:user:{anna}") is None
    assert (await caller.log_in(anna)).code == "logged_in"


async def test_a_stolen_refresh_token_ends_its_session_everywhere(caller: Caller) -> None:
    anna, _ = await caller.register(fresh("anna"))
    session = (await caller.log_in(anna, refresh="r1")).said["sessionId"]

    async def exchange(presented: str, following: str) -> str:
        said: dict[str, Any] = {"session_id": UUID(session), "presented_hash": presented, "next_hash": following}
        return (await caller.ask("RefreshSession", anna, **said)).code

    assert await exchange("r1", "r2") == "refreshed"
    assert await exchange("r1", "r3") == "token_reused"
    assert await exchange("r2", "r4") == "invalid_token"
    assert await caller.redis.get(f"blacklist:session:{session}") == "1"


async def test_no_secret_and_no_address_stands_on_a_topic_or_in_a_table(
    caller: Caller, owner: asyncpg.Connection
) -> None:
    name, password = fresh("planted"), f"planted password {secrets.token_hex(4)}"
    anna, _ = await caller.register(name)
    session = UUID((await caller.log_in(anna)).said["sessionId"])
    [token] = await tokens_of(caller.settings, owner, anna)
    said: dict[str, Any] = {"session_id": session, "current_sealed": PASSWORD, "new_sealed": password}
    assert (await caller.ask("ChangePassword", anna, **said)).code == "password_changed"

    written = await read_all(caller.settings, USER_COMMANDS.name) + await read_all(caller.settings, USER_EVENTS.name)
    for table in ("account", "log", "keyring", "session", "email_owner"):
        written += [row[0].encode() for row in await owner.fetch(f"SELECT t::text FROM accounts.{table} t")]

    everything = b"\n".join(written)
    assert str(anna).encode() in everything
    for secret in (f"{name}@home.example", f"{name} Karlsson", password, PASSWORD, token, token.partition(".")[2]):
        assert secret.encode() not in everything, secret
        assert secret.encode().hex().encode() not in everything, secret


async def test_an_erased_person_stays_unreadable_and_out(caller: Caller, owner: asyncpg.Connection) -> None:
    name = fresh("anna")
    anna, _ = await caller.register(name)
    session = UUID((await caller.log_in(anna)).said["sessionId"])

    assert (await caller.ask("EraseAccount", anna, password_sealed=PASSWORD)).code == "erased"

    assert await owner.fetchval("SELECT count(*) FROM accounts.keyring WHERE user_id = $1", anna) == 0
    assert await owner.fetchval("SELECT count(*) FROM accounts.own_profile WHERE id = $1", anna) == 0
    assert await caller.redis.get(f"revoked:user:{anna}") is not None
    assert (await caller.log_in(anna)).code == "invalid_credentials"
    said: dict[str, Any] = {"session_id": session, "presented_hash": "refresh-1", "next_hash": "r2"}
    assert (await caller.ask("RefreshSession", anna, **said)).code == "invalid_token"
    assert (await caller.register(name))[1].code == "registered"
