"""Who may not act now, and who did not pay: learnt from user-events and payment-events, looked up by every desk of the process.

A desk could read the standing of the people in each batch, but that is a query in every batch of new bidders. The suspended
are few, so each process keeps all of them and asks once a second, while it has commands to decide, for what changed: none
of the hot path's time, nothing when idle, and no message between processes when a user's partition is another's.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from consumers.bids.store import LEARN, LIFT, STANDING_CHANGES, STRIKE, STRIKES
from consumers.runtime import Database, Incoming, ReadAs, Write

FRESH_S: Final = 1.0
OVERLAP: Final = timedelta(seconds=60)
"""Changes are read this far back again: a change is dated by the beginning of its transaction, seen at its end."""

STRIKE_COUNTS_MS: Final = 365 * 86_400_000
"""How long an unpaid item is held against its buyer."""

_EVER: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


class Told(msgspec.Struct, rename="camel", gc=False):
    """What all these events say, and more than is needed of them: their type and their place count."""

    user_id: UUID


READERS: Final = dict.fromkeys(("UserSuspended", "UserReinstated", "UserErased"), ReadAs(Told, refuses_nul=False))


async def learn(batch: Sequence[Incoming], _db: Database) -> list[Write]:
    """Remember what became of users; the newest event of a user wins, however often and late the others come."""
    rows = [(incoming.aggregate, incoming.type != "UserReinstated", incoming.sequence or 0) for incoming in batch]
    return [Write(LEARN, rows)] if rows else []


class OfOrder(msgspec.Struct, rename="camel", gc=False):
    """Of an unpaid item: whose order it was."""

    order_id: UUID
    buyer_id: UUID


STRIKE_READERS: Final = dict.fromkeys(("OrderUnpaid", "StrikeLifted"), ReadAs(OfOrder, refuses_nul=False))


async def learn_strikes(batch: Sequence[Incoming], _db: Database) -> list[Write]:
    """Remember who did not pay, and who is forgiven it; one strike per order, however often it is told."""
    rows = [(one.body.order_id, one.body.buyer_id, one.at_ms) for one in batch if one.type == "OrderUnpaid"]
    lifted = [(one.body.order_id,) for one in batch if one.type == "StrikeLifted"]
    return [write for write in (Write(STRIKE, rows), Write(LIFT, lifted)) if write.rows]


class Suspended:
    """The suspended, the erased, and those with strikes; at most a second older than the tables."""

    def __init__(self) -> None:
        self._users: set[str] = set()
        self._strikes: dict[str, dict[UUID, int]] = {}
        self._changes_since = _EVER
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._users

    def strikes_of(self, user_id: str, *, at_ms: int) -> int:
        """How many items a buyer left unpaid within the year before."""
        known = self._strikes.get(user_id)
        return 0 if known is None else sum(at_ms - struck < STRIKE_COUNTS_MS for struck in known.values())

    async def refresh(self, db: Database) -> None:
        """Read what changed, unless that was done within the last second."""
        if time.monotonic() < self._fresh_until:
            return
        async with self._reading:
            if time.monotonic() < self._fresh_until:
                return
            [row] = await db.fetch(STANDING_CHANGES, self._changes_since)
            self._users.update(map(str, row["suspended"]))
            self._users.difference_update(map(str, row["reinstated"]))
            for order_id, buyer_id, struck_at_ms, lifted in await db.fetch(STRIKES, self._changes_since):
                known = self._strikes.setdefault(str(buyer_id), {})
                if lifted:
                    known.pop(order_id, None)
                else:
                    known[order_id] = struck_at_ms
            self._changes_since = row["read_at"] - OVERLAP
            self._fresh_until = time.monotonic() + FRESH_S
