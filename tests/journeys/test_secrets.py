"""No password, token, address or key of ours stands in clear on any topic, in any table, in Redis or in a log."""

import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import websockets

from compose.settings import Settings
from producers.person import Person, Refused
from tests import containers
from tests.edge_api.test_live_stack import page
from tests.edge_api.waiting import found
from tests.journeys.search import Search, forms

pytestmark = pytest.mark.stack

SHORTEST_SECRET = 16
OF_THE_STACK = ("_KEY", "_KEYS", "PASSWORD")
"""How the names of the environment file's secrets end or begin."""


class Life:
    """What a person does with an account, and every secret that came up meanwhile."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
        self.settings = settings
        self.http = http
        self.owner = owner
        self.secrets: dict[str, str] = {}
        tag = secrets.token_hex(6)
        self.anna = Person(http, f"anna-{tag}")
        self.anna.email = self.keep("e-mail", f"private.{tag}@planted.example")

    def keep(self, name: str, text: str) -> str:
        """Remember a secret."""
        self.secrets[name] = text
        return text

    def password(self, name: str) -> str:
        return self.keep(name, f"{name} {secrets.token_urlsafe(12)}")

    def session(self, number: str, session: dict[str, Any]) -> None:
        """Take over the tokens of a session, and remember them."""
        self.anna.access, self.anna.refresh_token = session["accessToken"], session["refreshToken"]
        self.keep(f"access token {number}", self.anna.access)
        self.keep(f"signature of access token {number}", self.anna.access.rpartition(".")[2])
        self.keep(f"refresh token {number}", self.anna.refresh_token)
        self.keep(f"secret of refresh token {number}", self.anna.refresh_token.rpartition(".")[2])

    def mailed(self, name: str, token: str) -> str:
        self.keep(f"secret of the {name} token", token.partition(".")[2])
        return self.keep(f"{name} token", token)

    async def refused(self, path: str, body: dict[str, Any]) -> None:
        """Ask for something that is refused."""
        with pytest.raises(Refused):
            await self.anna.post(path, body)

    async def live(self) -> None:
        """All that can happen to an account, well and badly."""
        await self.come()
        await self.lose_the_password()
        await self.go_wrong()

    async def come(self) -> None:
        """Register, confirm, log in, refresh, look at an auction, log out."""
        anna, password = self.anna, self.password("first password")
        who = {"email": anna.email, "username": anna.username, "password": password}
        registered = await anna.post("/auth/register", who | {"fullName": self.keep("name", "Anna Plantedsson-Quist")})
        anna.user_id = registered["id"]
        token = self.mailed("verification", await anna.token_from_mail(self.settings))
        await anna.post("/auth/verify-email", {"token": token})
        self.session("1", await anna.post("/auth/login", {"email": anna.email, "password": password}))
        first = anna.refresh_token
        self.session("2", await anna.post("/auth/refresh", {"refreshToken": first}))
        ticket = await anna.post("/live/ticket")
        async with websockets.connect(f"{ticket['url']}?ticket={self.keep('used ticket', ticket['ticket'])}"):
            pass
        changed = {"currentPassword": password, "newPassword": self.password("second password")}
        renewed = await anna.request("PUT", "/auth/password", changed)
        anna.access = self.keep("access token 3", renewed["accessToken"])
        await anna.post("/auth/logout", {"refreshToken": anna.refresh_token})
        anna.access = ""
        await self.refused("/auth/refresh", {"refreshToken": first})

    async def lose_the_password(self) -> None:
        """Have a new one set by mail."""
        known = self.secrets["verification token"]
        async with _as_if_no_mail_had_gone_out(self.owner, self.anna.user_id):
            await self.anna.post("/auth/password/forgot", {"email": self.anna.email})

        async def another() -> str | None:
            token = await self.anna.token_from_mail(self.settings)
            return None if token == known else token

        token = self.mailed("reset", await found(another))
        password = self.password("third password")
        await self.anna.post("/auth/password/reset", {"token": token, "password": password})
        self.session("4", await self.anna.post("/auth/login", {"email": self.anna.email, "password": password}))

    async def go_wrong(self) -> None:
        """Everything that ends in a refusal, whose words must not repeat what was said."""
        anna = self.anna
        who = {"email": anna.email, "username": anna.username, "password": self.password("taken password")}
        await self.refused("/auth/register", who | {"fullName": self.secrets["name"]})
        await self.refused("/auth/register", who | {"username": f"{anna.username}-2", "fullName": "A"})
        await self.refused("/auth/register", who | {"fullName": "A", "passwort": self.password("misspelt field")})
        await self.refused("/auth/login", {"email": anna.email, "password": self.password("wrong password")})
        unknown = self.keep("unknown e-mail", f"nobody.{secrets.token_hex(6)}@planted.example")
        await self.refused("/auth/login", {"email": unknown, "password": self.secrets["wrong password"]})
        for path in ("/auth/verify-email", "/auth/password/reset"):
            wrong = f"{anna.user_id}.{self.keep(f'wrong token at {path}', secrets.token_urlsafe(32))}"
            more = {"password": self.secrets["wrong password"]} if "reset" in path else {}
            await self.refused(path, {"token": wrong} | more)
        await self.http.post("/auth/login", content=b'{"password":"%b' % self.password("cut off").encode())
        forged = self.keep("forged token", f"{anna.access}{secrets.token_hex(8)}")
        assert (await self.http.get("/users/me", headers={"Authorization": f"Bearer {forged}"})).status_code == 401
        ticket = self.keep("unknown ticket", secrets.token_urlsafe(32))
        with pytest.raises(websockets.ConnectionClosed):
            async with websockets.connect(f"{str(self.settings.live_url).rstrip('/')}/ws?ticket={ticket}") as socket:
                await socket.recv()


@asynccontextmanager
async def _as_if_no_mail_had_gone_out(owner: asyncpg.Connection, user_id: str) -> AsyncIterator[None]:
    """One mail a minute is the rule, and nobody wants to wait; afterwards the row is again what the log says."""
    before = await owner.fetchval("SELECT mails_ms FROM accounts.account WHERE id = $1", user_id)
    await owner.execute("UPDATE accounts.account SET mails_ms = '{}' WHERE id = $1", user_id)
    yield
    await owner.execute("UPDATE accounts.account SET mails_ms = $2 || mails_ms WHERE id = $1", user_id, before)


def secrets_of_the_stack(env_file: Path) -> dict[str, str]:
    """The secrets of the environment file, keys without their ids."""
    found_there = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if "=" in line)
    kept = {
        name: text.strip("'\"").rpartition(":")[2]
        for name, text in found_there.items()
        if any(mark in name for mark in OF_THE_STACK) and not name.startswith("#")
    }
    password = urlsplit(found_there["REDIS_URL"]).password
    return kept | ({"REDIS_URL": password} if password else {})


async def test_no_secret_stands_in_clear_anywhere(
    stack: Settings, http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    env_file = Path(os.environ["MARKETPLACE_ENV"])
    # The logs of a stack in containers are the engine's.
    logs = None if containers.CHOSEN else env_file.parent / "logs"
    life = Life(stack, http, owner)
    await life.live()
    async with page(life.anna) as watching:
        await watching.say(op="ping")
        await watching.event("pong")
    wanted = life.secrets | secrets_of_the_stack(env_file)
    assert min(map(len, wanted.values())) >= SHORTEST_SECRET

    search = Search(wanted | {"anna herself": life.anna.user_id})
    await search.everywhere(stack, owner, logs)

    seen_her = {place for place, name in search.seen if name == "anna herself"}
    assert seen_her >= {"topic user-commands", "topic user-events", "table accounts.log", "Redis"}
    assert logs is None or "log edge.log" in seen_her
    assert sorted((place, name) for place, name in search.seen if name != "anna herself") == []


@pytest.mark.quick
def test_a_secret_is_found_however_it_is_written_down() -> None:
    secret = "a secret/with+marks: päron"
    search = Search({"it": secret})

    for written in forms(secret):
        search.seen.clear()
        search.look("here", b"before" + written + b"after")
        assert search.seen == {("here", "it")}
    assert re.search(rb"[^\x20-\x7e]", secret.encode())
