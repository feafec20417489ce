"""What kills access tokens, in a real Redis: written again it stays the same, older never replaces newer, lost it comes back."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from compose.settings import Settings
from consumers.accounts.standing import Standing
from consumers.runtime import LogRow, event
from schemas.envelope import Actor, print_time, time_ms
from tests.consumers.accounts.builders import DAY
from tests.consumers.accounts.clerk import Clerk

pytestmark = pytest.mark.stack

DAY_S = DAY // 1000
AT = time_ms() // 1000 * 1000 + 125


@pytest.fixture
async def redis(stack: Settings) -> AsyncIterator[Redis]:
    """The stack's Redis; tests use people of their own."""
    client = Redis.from_url(stack.redis_url.get_secret_value(), decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
def standing(redis: Redis) -> Standing:
    """Writes to it."""
    return Standing(redis, token_s=DAY_S)


def row(user_id: UUID, sequence: int, kind: str, at_ms: int = AT, **said: object) -> LogRow:
    """A committed decision with one event."""
    data = msgspec.json.encode({"userId": str(user_id), **said})
    told = event(kind, aggregate=user_id, sequence=sequence, at=print_time(at_ms), data=data)
    return LogRow(
        0,
        sequence,
        user_id,
        sequence,
        sequence,
        uuid4(),
        "",
        None,
        None,
        at_ms,
        None,
        b"",
        [told.value],
        None,
        None,
        None,
    )


async def test_a_suspension_stands_until_it_is_lifted(redis: Redis, standing: Standing) -> None:
    anna = uuid4()
    suspended = [row(anna, 4, "UserSuspended", reason="x"), row(anna, 5, "SessionsRevoked", reason="suspended")]

    await standing.tell(suspended)
    await standing.tell(suspended)

    assert await redis.get(f"suspended:user:{anna}") == "1"
    assert float(await redis.get(f"revoked:user:{anna}") or 0) == AT / 1000
    await standing.tell([row(anna, 6, "UserReinstated", reason="x")])
    assert await redis.get(f"suspended:user:{anna}") is None


async def test_a_late_process_brings_no_older_standing_back(redis: Redis, standing: Standing) -> None:
    anna = uuid4()
    await standing.tell([row(anna, 6, "UserReinstated"), row(anna, 7, "RoleGranted", AT + 5000)])

    await standing.tell([row(anna, 4, "UserSuspended"), row(anna, 5, "SessionsRevoked")])

    assert await redis.get(f"suspended:user:{anna}") is None
    assert float(await redis.get(f"revoked:user:{anna}") or 0) == (AT + 5000) / 1000


async def test_an_ended_session_is_remembered_as_long_as_its_access_token(redis: Redis, standing: Standing) -> None:
    session = uuid4()

    await standing.tell([row(uuid4(), 3, "SessionRevoked", sessionId=str(session), reason="logout")])

    assert DAY_S - 60 < await redis.ttl(f"blacklist:session:{session}") <= DAY_S


async def test_what_redis_lost_comes_back_and_what_it_should_have_lost_goes(
    redis: Redis, standing: Standing, clerk: Clerk
) -> None:
    anna, ben = await clerk.register("anna"), await clerk.register("ben")
    session = await clerk.log_in(ben)
    cli = Actor("cli", ("system",))
    await clerk.ask("SuspendUser", anna, by=cli, reason="x")
    await clerk.ask("LogOut", ben, session_id=session)
    await redis.set(f"suspended:user:{ben}", "1")

    await standing.rebuild(clerk.pool)

    assert await redis.get(f"suspended:user:{anna}") == "1"
    assert float(await redis.get(f"revoked:user:{anna}") or 0) > time_ms() / 1000 - 60
    assert await redis.get(f"blacklist:session:{session}") == "1"
    assert await redis.get(f"suspended:user:{ben}") is None
