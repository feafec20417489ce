"""The price shown is that of the higher sequence, wherever it comes from."""

from datetime import UTC, datetime
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from edge_api.prices import newest
from tests.edge_api.doorway import ANNA, AUCTION, Doorway

pytestmark = pytest.mark.quick

ENDS = datetime(2027, 1, 1, tzinfo=UTC)
ENDS_MS = str(int(ENDS.timestamp() * 1000) + 10_000)
ROW = {
    "id": AUCTION,
    "seq": 5,
    "public_seq": 4,
    "status": "live",
    "price_minor": 10_000,
    "leader_id": None,
    "minimum_next_minor": 10_250,
    "bid_count": 1,
    "ends_at": ENDS,
    "reserve_met": None,
}


class Pipe:
    """A pipeline that holds one hash."""

    def __init__(self, held: list[str | None] | None) -> None:
        self._held = held

    async def __aenter__(self) -> "Pipe":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def hmget(self, _key: str, fields: tuple[str, ...]) -> None:
        assert self._held is None or len(self._held) == len(fields)

    async def execute(self) -> list[Any]:
        if self._held is None:
            raise RedisAway
        return [self._held]


async def price(monkeypatch: pytest.MonkeyPatch, held: list[str | None] | None, **more: Any) -> Any:
    doorway = Doorway()
    monkeypatch.setattr(doorway.edge.redis, "pipeline", lambda transaction: Pipe(held))
    return (await newest(doorway.edge, [{**ROW, **more}]))[AUCTION]  # type: ignore[list-item]


def held(seq: str) -> list[str | None]:
    return [seq, "6", "20000", str(ANNA), "20500", "3", ENDS_MS, "1"]


async def test_redis_is_shown_where_it_is_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = await price(monkeypatch, held("7"))

    assert (shown.seq, shown.public_seq, shown.price_minor, shown.leader_id) == (7, 6, 20_000, str(ANNA))
    assert (shown.minimum_minor, shown.bid_count, shown.reserve_met) == (20_500, 3, True)
    assert (shown.ends_at - ENDS).total_seconds() == 10


@pytest.mark.parametrize(
    "seen", [held("5"), held("4"), [None] * 8, None], ids=["as old", "older", "not there", "Redis away"]
)
async def test_else_what_is_stored_is_shown(monkeypatch: pytest.MonkeyPatch, seen: list[str | None] | None) -> None:
    shown = await price(monkeypatch, seen)

    assert (shown.seq, shown.price_minor, shown.ends_at) == (5, 10_000, ENDS)


async def test_an_auction_that_is_over_is_shown_as_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await price(monkeypatch, held("7"), status="ended")).seq == 5
