"""The desk of accounts on a real database without a broker: seals, prepares, decides and commits one batch."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg

from consumers.accounts.desk import AccountsDesk
from consumers.accounts.passwords import Passwords
from consumers.accounts.prepare import Preparation
from consumers.runtime import Decision, Incoming, Verdict
from producers.publish import LogRow, reply
from schemas.envelope import Actor, new_command_id, time_ms
from schemas.registry import BY_NAME
from schemas.sealed import TopicSeal, UserKeys

PASSWORD = "correct horse battery"
MASTER = {"seal-1": bytes(range(32))}


class Clerk:
    """Asks accounts and commits what it decides, as the runtime would."""

    def __init__(self, pool: asyncpg.Pool, passwords: Passwords) -> None:
        """Take a pool whose search path is a schema with the tables of accounts."""
        self.pool = pool
        self.seal = TopicSeal(MASTER)
        self.keys = UserKeys(MASTER)
        self.desk = AccountsDesk(self.keys, passwords)
        self.prepare = Preparation(self.seal, passwords)
        self.offset = 0

    def command(
        self, kind: str, user_id: UUID, *, by: Actor | None = None, at_ms: int | None = None, **said: Any
    ) -> Incoming:
        """A command about somebody; fields ending in `_sealed` are given in clear and sealed here."""
        command_id = new_command_id()
        model = BY_NAME[kind].model
        for name in [name for name in said if name.endswith("_sealed")]:
            wire_name = str(model.model_fields[name].alias)
            said[name] = self.seal.seal(said[name], message_id=str(command_id), field=wire_name, at_s=time_ms() // 1000)
        self.offset += 1
        return Incoming(
            topic="user-commands",
            partition=0,
            offset=self.offset,
            at_ms=at_ms if at_ms is not None else time_ms(),
            key=str(user_id).encode(),
            type=kind,
            id=command_id,
            aggregate=user_id,
            body=model(user_id=user_id, **said),
            value=b"",
            headers={},
            actor=by or Actor(str(user_id), ("buyer",)),
        )

    def registration(self, username: str, *, user_id: UUID | None = None, email: str | None = None) -> Incoming:
        """Somebody registers; the look-up hash is the address itself, turned round."""
        email = email or f"{username}@home.example"
        return self.command(
            "RegisterUser",
            user_id or uuid4(),
            email_hash=email[::-1],
            email_sealed=email,
            username=username,
            full_name_sealed=f"{username.title()} Karlsson",
            password_sealed=PASSWORD,
        )

    async def decide(self, *batch: Incoming) -> list[Decision]:
        """Decide a batch and commit it; raises asyncpg.UniqueViolationError when a name was given away meanwhile."""
        await self.prepare(batch)
        verdict = await self.desk.decide(batch, {}, self.pool)
        await self.commit(verdict)
        return list(verdict.decisions)

    async def commit(self, verdict: Verdict) -> None:
        """Write what was decided, in one transaction."""
        async with self.pool.acquire() as connection, connection.transaction():
            for write in verdict.writes:
                await connection.executemany(write.sql, write.rows)
            rows = [_row(decision) for decision in verdict.decisions]
            await connection.copy_records_to_table("log", records=rows)

    async def ask(self, kind: str, user_id: UUID, **said: Any) -> Decision:
        """Decide one command."""
        [decision] = await self.decide(self.command(kind, user_id, **said))
        return decision

    async def register(self, username: str) -> UUID:
        """Register somebody and return the id."""
        incoming = self.registration(username)
        [decision] = await self.decide(incoming)
        assert decision.code == "registered", decision.code
        return incoming.aggregate

    async def log_in(self, user_id: UUID, *, password: str = PASSWORD, refresh: str = "refresh-1") -> UUID:
        """Open a session and return its id."""
        session_id = uuid4()
        decision = await self.ask(
            "LogIn", user_id, password_sealed=password, session_id=session_id, refresh_hash=refresh
        )
        assert decision.code == "logged_in", decision.code
        return session_id


def _row(decision: Decision) -> LogRow:
    incoming, events = decision.incoming, decision.events
    return LogRow(
        incoming.partition,
        incoming.offset,
        incoming.aggregate,
        events[0].sequence if events else None,
        events[-1].sequence if events else None,
        incoming.id,
        incoming.type,
        incoming.actor.id if incoming.actor else None,
        None,
        incoming.at_ms,
        None,
        reply(incoming.id, outcome=decision.outcome, code=decision.code, answer=decision.answer),
        [event.value for event in events],
        decision.facts,
        None,
        None,
    )
