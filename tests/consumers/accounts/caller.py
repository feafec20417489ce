"""Speaks to running accounts workers over Kafka as the edge does."""

import asyncio
import hashlib
import hmac
import time
from typing import Any
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

from compose.settings import Settings
from producers.commands import Command, Commands
from schemas.envelope import Actor, Reply, new_command_id, time_ms
from schemas.registry import BY_NAME
from schemas.sealed import TopicSeal
from schemas.text import email_key

PASSWORD = "correct horse battery"
WAIT_S = 30


class Answer(msgspec.Struct):
    """What became of a command."""

    outcome: str
    code: str
    said: dict[str, Any]


class Caller:
    """Asks accounts and waits for its answers."""

    def __init__(self, settings: Settings, redis: Redis, commands: Commands) -> None:
        """Take a started `Commands`."""
        self.settings = settings
        self.redis = redis
        self._commands = commands
        self._seal = TopicSeal(settings.keys_of_seals)

    async def ask(
        self, kind: str, user_id: UUID, *, by: Actor | None = None, command_id: UUID | None = None, **said: Any
    ) -> Answer:
        """One command and its answer; fields ending in `_sealed` are given in clear and sealed here."""
        message = BY_NAME[kind]
        command_id = command_id or new_command_id()
        for name in [name for name in said if name.endswith("_sealed")]:
            wire_name = str(message.model.model_fields[name].alias)
            said[name] = self._seal.seal(
                said[name], message_id=str(command_id), field=wire_name, at_s=time_ms() // 1000
            )
        command = Command(
            message,
            command_id,
            user_id,
            message.model(user_id=user_id, **said).model_dump_json(by_alias=True).encode(),
            by or Actor(str(user_id), ("buyer",)),
            correlation_id=str(uuid4()),
        )
        reply = await self._commands.ask(command, wait_s=WAIT_S)
        assert isinstance(reply, Reply), reply
        return Answer(reply.outcome, reply.code, msgspec.json.decode(reply.answer))

    async def register(self, username: str, *, email: str | None = None, **more: Any) -> tuple[UUID, Answer]:
        """Somebody registers under a fresh id."""
        user_id = uuid4()
        email = email or f"{username}@home.example"
        answer = await self.ask(
            "RegisterUser",
            user_id,
            email_hash=self.email_hash(email),
            email_sealed=email,
            username=username,
            full_name_sealed=f"{username} Karlsson",
            password_sealed=PASSWORD,
            **more,
        )
        return user_id, answer

    async def log_in(self, user_id: UUID, *, refresh: str = "refresh-1", password: str = PASSWORD) -> Answer:
        """Somebody logs in."""
        return await self.ask("LogIn", user_id, password_sealed=password, session_id=uuid4(), refresh_hash=refresh)

    def email_hash(self, address: str) -> str:
        """By what an address is looked up."""
        return hmac.new(self.settings.email_hash_secret, email_key(address).encode(), hashlib.sha256).hexdigest()


async def connected(settings: Settings, redis: Redis) -> tuple[Caller, Commands]:
    """A caller whose replies are read, and what must be stopped in the end."""
    commands = Commands(settings, redis, fatal=_fail)
    await commands.start()
    give_up_at = time.monotonic() + WAIT_S
    while not commands.ready:
        assert time.monotonic() < give_up_at, commands.trouble
        await asyncio.sleep(0.05)
    return Caller(settings, redis, commands), commands


def _fail(error: BaseException) -> None:
    raise error
