"""Who may come in: the token's standing and the rate limits, asked of Redis in one round trip per request."""

import math
import time
from collections import OrderedDict
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from compose.settings import Settings
from edge_api.gcra import Limit, Verdict, arrive, verdict
from edge_api.problems import Problem, unavailable
from edge_api.tokens import CHALLENGE, Caller
from edge_api.turnstile import Turnstile

PREFIX = "/api/v1"
AWAY_S = 1.0
"""After a failure Redis is left alone for so long, so that each request does not wait for it anew."""

TRUSTED_WITHOUT_REDIS_S = 900
"""While revocations cannot be looked up, only tokens younger than this are taken (SECURITY.md, Tokens)."""

ADDRESSES_MAX = 100_000

log = structlog.get_logger("admission")


class Admission:
    """Counts requests and looks up revocations; while Redis is away it counts by itself and takes young tokens only."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        """Take the limits from the settings."""
        self._turnstile = Turnstile(redis)
        self._away_until = 0.0
        self._failed = False
        self._arrivals: OrderedDict[str, float] = OrderedDict()
        self._per_address = Limit("address", settings.limit_per_address_per_hour, 3_600)
        self._per_user = Limit("user", settings.limit_per_user_per_minute, 60)
        self._login = Limit("login", settings.limit_login_per_minute, 60)
        self._payments = Limit("payments", settings.limit_payments_per_minute, 60)

    @property
    def away(self) -> bool:
        """Whether Redis did not answer lately."""
        return time.monotonic() < self._away_until

    async def admit(self, *, method: str, path: str, address: str, caller: Caller | None) -> Verdict:
        """The tightest limit of the request; raises Problem 401, 403, 429 or 503."""
        for_everyone = [(f"rate:address:{address}", self._per_address)]
        if method == "POST" and path == f"{PREFIX}/auth/login":
            for_everyone.append((f"rate:login:{address}", self._login))
        for_caller = [(f"rate:user:{caller.user_id}", self._per_user)] if caller is not None else []
        if path.startswith(f"{PREFIX}/payments/"):
            who = address if caller is None else caller.user_id
            (for_everyone if caller is None else for_caller).append((f"rate:payments:{who}", self._payments))
        state, verdicts = await self._ask(for_everyone, for_caller, caller)
        refused = next((one for one in verdicts if not one.allowed), None)
        if refused is not None:
            raise too_many(refused)
        if state == "suspended":
            raise Problem("account_suspended", "The account is suspended.")
        if state:
            raise Problem("token_revoked", "The access token is revoked; log in again.", headers=CHALLENGE)
        return min(verdicts, key=lambda one: one.remaining / one.limit.requests)

    async def _ask(
        self,
        for_everyone: Sequence[tuple[str, Limit]],
        for_caller: Sequence[tuple[str, Limit]],
        caller: Caller | None,
    ) -> tuple[str, list[Verdict]]:
        limits = [*for_everyone, *for_caller]
        if not self.away:
            if self._failed:
                # One goes ahead and looks; the others do not wait for it.
                self._away_until = time.monotonic() + AWAY_S
            try:
                answer = await self._ask_redis(limits, len(for_everyone), caller)
            except (RedisError, OSError, TimeoutError) as error:
                self._failed, self._away_until = True, time.monotonic() + AWAY_S
                log.warning("Redis is away: limits are counted here, only young tokens are taken", reason=repr(error))
            else:
                self._failed, self._away_until = False, 0.0
                return answer
        if caller is not None and time.time() - caller.issued_at > TRUSTED_WITHOUT_REDIS_S:
            raise unavailable("Whether the access token is revoked cannot be looked up for the moment.")
        return "", self._count_here(limits)

    async def _ask_redis(
        self, limits: Sequence[tuple[str, Limit]], for_everyone: int, caller: Caller | None
    ) -> tuple[str, list[Verdict]]:
        keys = [] if caller is None else token_keys(caller)
        args = [len(keys), 0 if caller is None else caller.issued_at, len(limits), for_everyone]
        for _, limit in limits:
            args += [limit.interval_ms, limit.period_ms]
        answer = await self._turnstile.ask([*keys, *(key for key, _ in limits)], args)
        state, now_ms, refused = answer[0], float(answer[1]), int(answer[2])
        verdicts = [
            verdict(limit, number != refused, float(arrival), now_ms)
            for number, ((_, limit), arrival) in enumerate(zip(limits, answer[3:], strict=False), 1)
        ]
        return state, verdicts

    def _count_here(self, limits: Sequence[tuple[str, Limit]]) -> list[Verdict]:
        now_ms = time.time() * 1000
        arrived = [(key, limit, *arrive(limit, self._arrivals.get(key), now_ms)) for key, limit in limits]
        if all(allowed for _, _, allowed, _ in arrived):
            for key, _, _, arrival_ms in arrived:
                self._arrivals[key] = arrival_ms
                self._arrivals.move_to_end(key)
            while len(self._arrivals) > ADDRESSES_MAX:
                self._arrivals.popitem(last=False)
        return [verdict(limit, allowed, arrival_ms, now_ms) for _, limit, allowed, arrival_ms in arrived]


def token_keys(caller: Caller) -> list[str]:
    """Where accounts and the edge write that a token is dead."""
    return [
        f"revoked:user:{caller.user_id}",
        f"suspended:user:{caller.user_id}",
        f"blacklist:{caller.token_id}",
        f"blacklist:session:{caller.session_id}",
    ]


def too_many(refused: Verdict) -> Problem:
    """429 with the time after which the next request is taken."""
    retry_s = max(1, math.ceil(refused.retry_s))
    return Problem(
        "rate_limited",
        f"More than {refused.limit.requests} requests in {refused.limit.period_s} s per {WORDS[refused.limit.name]}.",
        headers={"Retry-After": str(retry_s), **dict(limit_headers(refused))},
    )


WORDS = {"address": "address", "user": "user", "login": "address to log in", "payments": "user to payments"}


def limit_headers(tightest: Verdict) -> list[tuple[str, str]]:
    """The RateLimit headers of an answer (IETF draft-ietf-httpapi-ratelimit-headers)."""
    return [
        ("RateLimit-Limit", str(tightest.limit.requests)),
        ("RateLimit-Remaining", str(tightest.remaining)),
        ("RateLimit-Reset", str(math.ceil(tightest.reset_s))),
        ("RateLimit-Policy", f"{tightest.limit.requests};w={tightest.limit.period_s}"),
    ]
