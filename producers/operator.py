"""What an operator asks of a worker from the command line, and its outcome."""

import asyncio
import json
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer

from compose.settings import Settings
from schemas.envelope import Actor, command_headers, new_command_id, print_time, time_ms
from schemas.registry import BY_NAME
from schemas.users import GrantRole, Role
from topics.catalog import USER_COMMANDS

OPERATOR = Actor("cli", ("system",))
WAIT_S = 20
POLL_S = 0.05

FIND_USER = """
    SELECT id FROM accounts.public_profile WHERE id::text = $1 OR lower(username) = lower($1)
"""
OUTCOME = """
    SELECT reply FROM accounts.command_view WHERE command_id = $1
"""


class Refusal(Exception):
    """The worker refused, or nobody is called so; the text says which."""


async def grant_role(settings: Settings, who: str, role: Role) -> str:
    """Give an account a role and return what became of it in words.

    Raises Refusal, TimeoutError when accounts does not decide within WAIT_S, KafkaError.
    """
    db = await asyncpg.connect(settings.database_url("cli"))
    try:
        user_id = await db.fetchval(FIND_USER, who)
        if user_id is None:
            raise Refusal(f"nobody is called {who}")
        command_id = await _send(settings, user_id, role)
        reply = json.loads(await _outcome(db, command_id))
    finally:
        await db.close()
    if reply["outcome"] == "refused":
        raise Refusal(f"refused: {reply['code']}")
    return f"{who} now has the role {role}" if reply["outcome"] == "accepted" else f"{who} had the role {role} before"


async def _send(settings: Settings, user_id: UUID, role: Role) -> UUID:
    message = BY_NAME["GrantRole"]
    command_id = new_command_id()
    at = print_time(time_ms())
    data = GrantRole(user_id=user_id, role=role).model_dump(mode="json", by_alias=True)
    value = {"commandId": str(command_id), "commandType": message.name, "timestamp": at, "data": data}
    headers = command_headers(
        command_id=command_id,
        ce_type=message.ce_type,
        source="/cli",
        subject=str(user_id),
        schema=message.schema,
        at=at,
        actor=OPERATOR,
        correlation_id=str(command_id),
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        async with asyncio.timeout(WAIT_S):
            await producer.send_and_wait(
                USER_COMMANDS.name, json.dumps(value).encode(), key=str(user_id).encode(), headers=headers
            )
    finally:
        await producer.stop()
    return command_id


async def _outcome(db: asyncpg.Connection, command_id: UUID) -> bytes:
    async with asyncio.timeout(WAIT_S):
        while True:
            reply: bytes | None = await db.fetchval(OUTCOME, command_id)
            if reply is not None:
                return reply
            await asyncio.sleep(POLL_S)
