"""Admission on a real Redis: the script counts as gcra.py says, and dead tokens are dead at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from compose.settings import Settings
from edge_api.admission import Admission, token_keys
from edge_api.edge import redis_of
from edge_api.gcra import Limit, arrive, verdict
from edge_api.problems import Problem
from edge_api.tokens import Caller
from edge_api.turnstile import Turnstile

pytestmark = pytest.mark.stack


@pytest.fixture
async def redis(stack: Settings) -> AsyncIterator[Redis]:
    client = redis_of(stack)
    yield client
    await client.aclose()


def strict(redis: Redis, stack: Settings, **more: int) -> Admission:
    limits = {
        "limit_per_address_per_hour": 1_000,
        "limit_per_user_per_minute": 100,
        "limit_login_per_minute": 10,
        "limit_payments_per_minute": 20,
    }
    return Admission(redis, stack.model_copy(update=limits | more))


def someone(*, age_s: float = 60) -> Caller:
    now = time.time()
    return Caller(uuid4(), ("buyer",), str(uuid4()), uuid4().hex, round(now - age_s, 3), now + 1_000)


def somewhere() -> str:
    return f"test-{uuid4().hex}"


async def knock(
    admission: Admission, path: str, *, address: str, caller: Caller | None = None, times: int
) -> list[str]:
    """How a number of requests at once are answered."""

    async def one() -> str:
        try:
            await admission.admit(method="POST", path=path, address=address, caller=caller)
        except Problem as problem:
            return problem.code
        return "in"

    return await asyncio.gather(*(one() for _ in range(times)))


async def test_the_specification_s_limits_hold(redis: Redis, stack: Settings) -> None:
    admission = strict(redis, stack)

    logins = await knock(admission, "/api/v1/auth/login", address=somewhere(), times=14)
    asked = await knock(admission, "/api/v1/auctions", address=somewhere(), caller=someone(), times=103)
    paid = await knock(admission, "/api/v1/payments/create-intent", address=somewhere(), caller=someone(), times=23)
    came = await knock(admission, "/api/v1/time", address=somewhere(), times=1_003)

    # A slow machine earns one more while it counts.
    assert 10 <= logins.count("in") <= 11
    assert 100 <= asked.count("in") <= 102
    assert 20 <= paid.count("in") <= 21
    assert 1_000 <= came.count("in") <= 1_001
    assert set(logins + asked + paid + came) == {"in", "rate_limited"}


async def test_users_at_one_address_do_not_take_each_other_s_share(redis: Redis, stack: Settings) -> None:
    admission, address = strict(redis, stack, limit_per_user_per_minute=3), somewhere()

    anna = await knock(admission, "/api/v1/auctions", address=address, caller=someone(), times=4)
    ben = await knock(admission, "/api/v1/auctions", address=address, caller=someone(), times=3)

    assert anna.count("in") == 3
    assert ben == ["in"] * 3


async def test_all_processes_count_together(redis: Redis, stack: Settings) -> None:
    address = somewhere()
    processes = [strict(redis, stack, limit_per_address_per_hour=10) for _ in range(3)]

    answers = await asyncio.gather(*(knock(one, "/api/v1/time", address=address, times=5) for one in processes))

    assert sum(answer.count("in") for answer in answers) == 10


async def test_the_script_counts_as_the_process_does(redis: Redis) -> None:
    limit, key = Limit("any", 7, 3), somewhere()
    turnstile = Turnstile(redis)
    kept: float | None = None
    for _ in range(30):
        state, now, refused, arrival = await turnstile.ask([key], [0, 0, 1, 1, limit.interval_ms, limit.period_ms])
        allowed, arrival_ms = arrive(limit, kept, float(now))
        kept = arrival_ms if allowed else kept
        assert (state, refused == 0) == ("", allowed)
        assert float(arrival) == pytest.approx(arrival_ms, abs=0.01)
        assert verdict(limit, refused == 0, float(arrival), float(now)).allowed == allowed


async def test_a_counter_goes_by_itself(redis: Redis, stack: Settings) -> None:
    address = somewhere()
    await knock(strict(redis, stack), "/api/v1/time", address=address, times=1)

    assert 0 < await redis.pttl(f"rate:address:{address}") <= 3_600 + 1_000 + 100


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (0, lambda caller: caller.issued_at + 0.001, "token_revoked"),
        (0, lambda caller: caller.issued_at, "in"),
        (0, lambda caller: caller.issued_at - 0.001, "in"),
        (1, lambda _: 1, "account_suspended"),
        (2, lambda _: 1, "token_revoked"),
        (3, lambda _: 1, "token_revoked"),
    ],
    ids=["revoked after", "revoked as it was made", "revoked before", "suspended", "blacklisted", "session ended"],
)
async def test_a_dead_token_is_dead_at_once(redis: Redis, stack: Settings, key: int, value: object, code: str) -> None:
    caller = someone()
    admission = strict(redis, stack)
    assert await knock(admission, "/api/v1/time", address=somewhere(), caller=caller, times=1) == ["in"]

    await redis.set(token_keys(caller)[key], repr(value(caller)), ex=60)  # type: ignore[operator]

    assert await knock(admission, "/api/v1/time", address=somewhere(), caller=caller, times=1) == [code]


async def test_a_dead_token_counts_for_its_address_but_not_for_its_user(redis: Redis, stack: Settings) -> None:
    caller, address = someone(), somewhere()
    admission = strict(redis, stack, limit_per_address_per_hour=5)
    await redis.set(f"blacklist:{caller.token_id}", "1", ex=60)

    answers = await knock(admission, "/api/v1/time", address=address, caller=caller, times=7)

    assert answers.count("token_revoked") == 5
    assert answers.count("rate_limited") == 2
    assert await redis.exists(f"rate:user:{caller.user_id}") == 0


async def test_after_redis_was_emptied_it_goes_on(redis: Redis, stack: Settings) -> None:
    admission = strict(redis, stack)
    await knock(admission, "/api/v1/time", address=somewhere(), times=1)
    await redis.script_flush()

    assert await knock(admission, "/api/v1/time", address=somewhere(), times=3) == ["in"] * 3


async def test_while_redis_is_away_young_tokens_go_in_and_old_ones_wait(stack: Settings) -> None:
    nobody = redis_of(stack.model_copy(update={"redis_url": type(stack.redis_url)("redis://127.0.0.1:1/0")}))
    admission = strict(nobody, stack, limit_per_address_per_hour=3)

    young = await knock(admission, "/api/v1/time", address=somewhere(), caller=someone(age_s=899), times=2)
    old = await knock(admission, "/api/v1/time", address=somewhere(), caller=someone(age_s=901), times=2)
    many = await knock(admission, "/api/v1/time", address=somewhere(), times=4)

    assert admission.away
    assert young == ["in"] * 2
    assert old == ["service_unavailable"] * 2
    assert many == ["in"] * 3 + ["rate_limited"]
    await nobody.aclose()


async def test_who_goes_away_while_asking_keeps_nobody_else_from_their_answer(redis: Redis, stack: Settings) -> None:
    admission, address = strict(redis, stack), somewhere()
    asking = [
        asyncio.create_task(admission.admit(method="GET", path="/", address=address, caller=None)) for _ in range(20)
    ]
    await asyncio.sleep(0)
    asking[3].cancel()

    answers = await asyncio.gather(*asking, return_exceptions=True)

    assert [isinstance(answer, BaseException) for answer in answers].count(True) == 1
