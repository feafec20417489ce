"""One question to Redis per request, asked together with those of all requests that come while the last one is on its way."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

TOGETHER_MAX = 64

log = structlog.get_logger("turnstile")


class Check(NamedTuple):
    """The keys and arguments of one request, as limits.lua takes them, and who waits for its answer."""

    keys: Sequence[str]
    args: Sequence[Any]
    answer: "asyncio.Future[list[Any]]"


class Turnstile:
    """Asks limits.lua: at 1000 requests a second a round trip each would cost as much as all the rest of the edge."""

    def __init__(self, redis: Redis) -> None:
        """Take a client of Redis."""
        self._redis = redis
        self._script = (Path(__file__).parent / "limits.lua").read_text()
        self._sha = ""
        self._waiting: list[Check] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, keys: Sequence[str], args: Sequence[Any]) -> list[Any]:
        """The script's answer for one request; raises RedisError, OSError, TimeoutError."""
        check = Check(keys, args, asyncio.get_running_loop().create_future())
        self._waiting.append(check)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_until_nobody_waits())
        return await check.answer

    async def _ask_until_nobody_waits(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
                await self._ask(together)
        finally:
            self._asking = None

    async def _ask(self, together: Sequence[Check]) -> None:
        keys = [key for check in together for key in check.keys]
        args = [len(together), *(arg for check in together for arg in check.args)]
        try:
            answers = await self._evaluate(keys, args)
        except Exception as error:  # noqa: BLE001 - each who waits is told, and raises it
            for check in together:
                if not check.answer.done():
                    check.answer.set_exception(error)
            return
        for check, answer in zip(together, answers, strict=True):
            if not check.answer.done():
                check.answer.set_result(answer)

    async def _evaluate(self, keys: list[str], args: list[Any]) -> list[Any]:
        if self._sha:
            try:
                return list(await self._redis.evalsha(self._sha, len(keys), *keys, *args))
            except NoScriptError:
                log.info("Redis was started anew: the script is loaded again")
        self._sha = str(await self._redis.script_load(self._script))
        return list(await self._redis.evalsha(self._sha, len(keys), *keys, *args))
