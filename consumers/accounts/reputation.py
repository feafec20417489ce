"""What payments tells about people: ratings they were given, orders they did not pay. Learnt, never decided here."""

from collections.abc import Sequence

from consumers.accounts.account import instant
from consumers.runtime import Database, Incoming, Write
from schemas.payments import OrderRated, OrderUnpaid, StrikeLifted

LEARNT = ("OrderRated", "OrderUnpaid", "StrikeLifted")

RATE = """
    INSERT INTO rating (order_id, rated, rated_id, stars, given_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
STRIKE = """
    INSERT INTO strike (order_id, buyer_id, struck_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""

LIFT = """
    UPDATE strike SET lifted = true WHERE order_id = $1
"""


async def learn(batch: Sequence[Incoming], _db: Database) -> list[Write]:
    """Remember each rating and each strike once, however often it is told."""
    told = [(incoming.body, instant(incoming.at_ms)) for incoming in batch]
    ratings = [
        (said.order_id, said.rated_as, said.rated_id, said.stars, at)
        for said, at in told
        if isinstance(said, OrderRated)
    ]
    strikes = [(said.order_id, said.buyer_id, at) for said, at in told if isinstance(said, OrderUnpaid)]
    # An order's strike comes before its lifting, in one batch or an earlier one; told again it stays lifted.
    lifted = [(said.order_id,) for said, _ in told if isinstance(said, StrikeLifted)]
    return [write for write in (Write(RATE, ratings), Write(STRIKE, strikes), Write(LIFT, lifted)) if write.rows]
