"""A person with a phone: speaks to the edge over HTTP as a mobile app would; for the demo, the journeys and the benchmarks."""

import asyncio
import re
import time
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

from compose.settings import Settings

PENDING_POLL_S = 0.1
MAIL_DEADLINE_S = 20
PASSWORD = "correct-horse-battery-7"  # noqa: S105  a person of the demo has no secrets


class Refused(Exception):
    """The edge answered with a problem; `code` is its stable name, `problem` the whole."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Keep the status and the problem (RFC 9457)."""
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem
        self.code: str = problem.get("code", "")


class Person:
    """One account and its session."""

    def __init__(self, http: httpx.AsyncClient, username: str) -> None:
        """Take a client whose base address is the API's."""
        self.http = http
        self.username = username
        self.email = f"{username}@example.org"
        self.user_id = ""
        self.access = ""
        self.refresh_token = ""

    @property
    def headers(self) -> dict[str, str]:
        """Who speaks."""
        return {"Authorization": f"Bearer {self.access}"} if self.access else {}

    async def request(self, method: str, path: str, body: object = None, *, key: str | None = None) -> dict[str, Any]:
        """Ask, and wait out a 202; returns the answer, raises Refused."""
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        response = await self.http.request(method, path, json=body, headers=headers)
        if response.status_code == 202:
            return await self.outcome(response.json()["statusUrl"])
        return _answer(response)

    async def outcome(self, status_url: str) -> dict[str, Any]:
        """Wait until a pending command is decided; returns its answer, raises Refused."""
        url = httpx.URL(str(self.http.base_url)).join(status_url)
        while True:
            response = await self.http.get(url, headers=self.headers)
            if response.status_code != 200 or response.json().get("status") != "pending":
                return _answer(response)
            await asyncio.sleep(PENDING_POLL_S)

    async def get(self, path: str) -> dict[str, Any]:
        """GET a resource."""
        return await self.request("GET", path)

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> dict[str, Any]:
        """POST a command."""
        return await self.request("POST", path, body if body is not None else {}, key=key)

    async def register(self) -> None:
        """Open the account."""
        answer = await self.post(
            "/auth/register",
            {"email": self.email, "password": PASSWORD, "username": self.username, "fullName": self.username.title()},
        )
        self.user_id = answer["id"]

    async def token_from_mail(self, settings: Settings) -> str:
        """Read the confirmation token from the e-mail in the SendGrid stand-in; raises TimeoutError when none comes."""
        outbox = f"{str(settings.sendgrid_host).rstrip('/')}/sandbox/messages"
        async with asyncio.timeout(MAIL_DEADLINE_S):
            while True:
                for message in (await self.http.get(outbox, params={"to": self.email})).json()["items"]:
                    if found := re.search(rf"{self.user_id}\.[A-Za-z0-9_-]+", str(message)):
                        return found.group()
                await asyncio.sleep(PENDING_POLL_S)

    async def verify(self, settings: Settings) -> None:
        """Confirm the e-mail address."""
        await self.post("/auth/verify-email", {"token": await self.token_from_mail(settings)})

    async def log_in(self) -> None:
        """Open a session."""
        self.access = ""
        session = await self.post("/auth/login", {"email": self.email, "password": PASSWORD})
        self.access, self.refresh_token = session["accessToken"], session["refreshToken"]
        self.user_id = session["user"]["id"]

    async def bid(self, auction: str, **bid: Any) -> dict[str, Any]:
        """Bid (`amount`, `maxAmount`, in major units); raises Refused."""
        return await self.post(f"/auctions/{auction}/bids", bid, key=str(uuid4()))

    async def try_to_bid(self, auction: str, amount: float) -> dict[str, Any]:
        """Bid and tell what became of it, however long it took: `outcome`, `code`, `seconds`."""
        began = time.monotonic()
        key = str(uuid4())
        while True:
            try:
                answer = await self.post(f"/auctions/{auction}/bids", {"amount": amount}, key=key)
                outcome, code = "accepted", answer["code"]
            except Refused as refusal:
                if refusal.status == 503:  # Nothing was published: the same key may be sent again.
                    await asyncio.sleep(PENDING_POLL_S)
                    continue
                outcome, code = "refused", refusal.code
            return {"outcome": outcome, "code": code, "amount": amount, "seconds": time.monotonic() - began}

    async def wait_until_left(self, auction: str, *, seconds: float) -> None:
        """Wait until so many seconds are left, by the server's clock."""
        found = await self.get(f"/auctions/{auction}")
        left = (datetime.fromisoformat(found["endTime"]) - datetime.fromisoformat(found["serverTime"])).total_seconds()
        await asyncio.sleep(max(0.0, left - seconds))


def _answer(response: httpx.Response) -> dict[str, Any]:
    body = response.json() if response.content else {}
    if response.status_code >= 400:
        raise Refused(response.status_code, body)
    if isinstance(body, dict) and "status" in body and "commandId" in body and "answer" in body:
        body = body["answer"]
    return dict(body)
