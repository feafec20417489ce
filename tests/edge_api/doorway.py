"""An edge without servers: real HTTP code from the first byte to the command, with the test in the place of the workers."""

import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from compose.envfile import signing_key
from compose.settings import Settings
from edge_api import cdn
from edge_api.app import build
from edge_api.edge import Edge
from edge_api.gcra import Verdict
from producers.commands import Command, Pending, Unavailable
from schemas.envelope import Reply, new_command_id, time_ms

KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE"
OTHER_KEY = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI"
WEBHOOK_SECRET = "whsec_of-today"
NEXT_WEBHOOK_SECRET = "whsec_of-tomorrow"
NOBODY_LISTENS = 1
HERE = "http://edge.example"
CDN = "https://cdn.example"
CDN_SECRET = "the-cdn-asks"

MINA = UUID("01923f6e-7a3b-7c11-9f52-3d2a8b7c1e10")
ANNA = UUID("01923f6e-8c02-7d41-8a10-5b7e6f3a2c44")
AUCTION = UUID("01923f70-1d5c-7e22-9c3b-1a2b3c4d5e6f")

Says = Reply | Pending | Unavailable


# Every edge reads its key, and checks it for a twentieth of a second: all edges here have the same.
cdn.load_der_private_key = cache(cdn.load_der_private_key)  # type: ignore[attr-defined, assignment]


@cache
def rsa_key() -> str:
    """One for all tests: each takes a tenth of a second to make."""
    return signing_key()


def settings(**more: Any) -> Settings:
    """Settings of an edge that reaches no server."""
    known: dict[str, Any] = {
        "environment": "local",
        "kafka_bootstrap": f"127.0.0.1:{NOBODY_LISTENS}",
        "redis_url": f"redis://127.0.0.1:{NOBODY_LISTENS}/0",
        "postgres_port": NOBODY_LISTENS,
        "postgres_password_edge": "unused-here",
        "jwt_keys": f"old:{KEY}",
        "sealing_keys": f"seal:{KEY}",
        "email_hash_key": KEY,
        "pseudonym_key": OTHER_KEY,
        "stripe_webhook_secret": f"{WEBHOOK_SECRET},{NEXT_WEBHOOK_SECRET}",
        "service_keys": f"service:{OTHER_KEY}",
        "s3_endpoint": f"http://127.0.0.1:{NOBODY_LISTENS}",
        "s3_access_key": "unused-here",
        "s3_secret_key": "unused-here",
        "cdn_url": CDN,
        "cdn_signing_keys": f"KTEST:{rsa_key()}",
        "cdn_origin_secret": CDN_SECRET,
        "limit_per_address_per_hour": 1_000_000,
        "limit_per_user_per_minute": 1_000_000,
        "limit_login_per_minute": 1_000_000,
    }
    return Settings(**{**known, **more})


def accepted(command: Command, code: str = "done", **answer: Any) -> Reply:
    """A worker's yes."""
    return Reply(command.command_id, "accepted", code, msgspec.Raw(json.dumps(answer).encode()))


def refused(command: Command, code: str, **answer: Any) -> Reply:
    """A worker's no."""
    return Reply(command.command_id, "refused", code, msgspec.Raw(json.dumps({"code": code, **answer}).encode()))


class Workers:
    """In place of Kafka and the workers: keeps what was asked and says what the test wants said."""

    ready = True
    trouble: str | None = None

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self.says: Callable[[Command], Says] = accepted

    async def ask(self, command: Command, *, wait_s: float) -> Reply | Pending:
        said = self.says(command)
        if isinstance(said, Unavailable):
            raise said
        self.asked.append(command)
        return said

    async def append(self, command: Command) -> None:
        said = self.says(command)
        if isinstance(said, Unavailable):
            raise said
        self.asked.append(command)

    @property
    def data(self) -> dict[str, Any]:
        """What the last command said."""
        found: dict[str, Any] = json.loads(self.asked[-1].data)
        return found


class QuietEdge(Edge):
    """An edge whose views hold what the test puts there, by a word of the SQL."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, fatal=lambda _error: None)
        self.views: dict[str, list[Any]] = {}

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        return next((rows for word, rows in self.views.items() if word in sql), [])


class Doorway:
    """An edge, its workers, and clients of it."""

    def __init__(self, **more: Any) -> None:
        self.edge = QuietEdge(settings(**more))
        self.workers = Workers()
        self.edge.commands = self.workers  # type: ignore[assignment]
        # Redis is known to be away, so that no test waits for it: limits are counted in the process.
        self.edge.admission._away_until = float("inf")
        self.app = build(self.edge)

    def redis_is_back(self) -> None:
        """Everyone is admitted, as by a Redis that has nothing against anybody."""
        admission = self.edge.admission
        admission._away_until = 0.0

        async def admit(**_about: object) -> Verdict:
            return Verdict(admission._per_address, allowed=True, remaining=1, reset_s=0, retry_s=0)

        admission.admit = admit  # type: ignore[method-assign]

    def client(
        self, *, user: UUID | None = None, roles: tuple[str, ...] = ("buyer",), authorization: str | None = None
    ) -> httpx.AsyncClient:
        """A client, logged in when `user` is given; or with an Authorization of the test's own."""
        said = authorization or (None if user is None else f"Bearer {self.token(user, *roles)}")
        transport = httpx.ASGITransport(self.app, client=("203.0.113.9", 4711))
        headers = {"Authorization": said} if said else {}
        return httpx.AsyncClient(transport=transport, base_url=f"{HERE}/api/v1", headers=headers)

    def token(self, user: UUID = ANNA, *roles: str, session: UUID | None = None, age_s: float = 1) -> str:
        """An access token."""
        return self.edge.tokens.make(user, roles or ("buyer",), str(session or uuid4()), at=time.time() - age_s)


def who(user: UUID, session: str, *roles: str) -> dict[str, Any]:
    """What accounts answers to a login."""
    return {
        "userId": str(user),
        "sessionId": session,
        "username": "anna",
        "roles": list(roles or ("buyer",)),
        "isVerified": True,
        "decidedAt": time_ms(),
    }


def new_id() -> UUID:
    """A fresh id."""
    return new_command_id()
