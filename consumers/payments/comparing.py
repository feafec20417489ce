"""The daily comparison of our ledger with the provider's own book: movement by movement, with a report of what differs."""

import asyncio
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from compose.settings import Settings
from consumers.payments.gateway import Stripe
from consumers.payments.provider import Movement
from consumers.runtime import Claimed, Database, Done, Job, Write

COMPARE: Final = "compare"
NOT_OURS: Final = frozenset({"payout", "payout_cancel", "payout_failure", "topup", "topup_reversal", "stripe_fee"})
"""The platform's dealings with its own bank and with the provider, which belong to no order."""
_DAYS: Final = UUID("b7c3f1b2-0c3e-5d60-9a41-7f1f0a5c2e77")

Way = Literal["in", "out"]
Key = tuple[str, Way]
"""What the provider calls it, and whether it came to us or went: a dispute that was won has both."""

BOOKED = """
    SELECT ref, kind, currency, sum(amount)::bigint AS amount, min(at_ms) AS at_ms
      FROM ledger_entry JOIN ledger_posting USING (entry_id)
     WHERE account = 'provider' AND (ref = ANY($1) OR at_ms >= $2 AND at_ms < $3)
     GROUP BY ref, kind, currency
"""
KEEP = """
    INSERT INTO reconciliation AS r (day, movements, differences) VALUES ($1, $2, $3)
        ON CONFLICT (day) DO UPDATE SET compared_at = now(), movements = excluded.movements,
           differences = excluded.differences
"""
WAY: Final[dict[str, Way]] = {
    "payment": "in",
    "provider_fee": "in",
    "reversal": "in",
    "dispute_won": "in",
    "refund_failed": "in",
    "payout": "out",
    "refund": "out",
    "dispute": "out",
    "dispute_fee": "out",
}


class Difference(NamedTuple):
    """One thing that the two books do not agree on; amounts in hundredths, None where it is missing."""

    ref: str
    way: Way
    ours: int | None
    theirs: int | None
    currency: str


class Compared(NamedTuple):
    """A day's report."""

    day: date
    movements: int
    differences: list[Difference]


class Booked(NamedTuple):
    """What our ledger has of one movement."""

    amount: int
    currency: str
    at_ms: int


async def compare(db: Database | asyncpg.Connection, gateway: Stripe, day: date) -> Compared:
    """Hold one day (UTC) of the provider's book against our ledger.

    A movement near midnight may stand on the next day in the other book, so a neighbouring day counts.
    """
    since = int(datetime.combine(day, time(), UTC).timestamp())
    until = since + 86_400
    wide = [one async for one in gateway.movements(since=since - 86_400, until=until + 86_400)]
    theirs = _theirs(wide)
    of_day = _theirs(one for one in wide if since <= one.created_at < until)
    refs = [ref for ref, _ in theirs]
    booked = _booked(await db.fetch(BOOKED, refs, since * 1000, until * 1000))
    differences = [
        *_not_ours(of_day, booked, theirs),
        *_not_theirs(booked, theirs, since_ms=since * 1000, until_ms=until * 1000),
    ]
    return Compared(day, len(of_day), differences)


def _theirs(movements: Iterable[Movement]) -> dict[Key, tuple[int, str]]:
    found: dict[Key, tuple[int, str]] = {}
    for one in movements:
        if one.type in NOT_OURS or one.source_id is None or one.net_minor == 0:
            continue
        key: Key = one.source_id, "in" if one.net_minor > 0 else "out"
        found[key] = found.get(key, (0, ""))[0] + one.net_minor, one.currency
    return found


def _booked(rows: Iterable[asyncpg.Record]) -> dict[Key, Booked]:
    found: dict[Key, Booked] = {}
    for row in rows:
        key: Key = row["ref"], WAY[row["kind"]]
        amount, at_ms = row["amount"], row["at_ms"]
        had = found.get(key)
        found[key] = Booked(amount + (had.amount if had else 0), row["currency"], at_ms)
    return found


def _not_ours(
    of_day: Mapping[Key, tuple[int, str]], booked: Mapping[Key, Booked], theirs: Mapping[Key, tuple[int, str]]
) -> Iterable[Difference]:
    for key in of_day:
        (amount, currency), ours = theirs[key], booked.get(key)
        if ours is None or (ours.amount, ours.currency) != (amount, currency):
            yield Difference(*key, ours.amount if ours else None, amount, currency)


def _not_theirs(
    booked: Mapping[Key, Booked], theirs: Mapping[Key, object], *, since_ms: int, until_ms: int
) -> Iterable[Difference]:
    for key, ours in booked.items():
        if key not in theirs and since_ms <= ours.at_ms < until_ms and ours.amount:
            yield Difference(*key, ours.amount, None, ours.currency)


def keep(compared: Compared) -> Write:
    """The write of a day's report."""
    text = msgspec.json.encode([one._asdict() for one in compared.differences]).decode()
    return Write(KEEP, [(compared.day, compared.movements, text)])


def yesterday_job(now: datetime) -> Job:
    """The comparison of the day before: one job, however often it is asked for."""
    day = (now - timedelta(days=1)).date()
    return Job(id=uuid.uuid5(_DAYS, day.isoformat()), kind=COMPARE, payload=day.isoformat().encode())


class Comparing:
    """Does the job `compare`."""

    def __init__(self, gateway: Stripe) -> None:
        self._gateway = gateway
        self._known: Database | None = None

    async def open(self, db: Database) -> None:
        """Take the worker's database."""
        self._known = db

    async def act(self, job: Claimed) -> Done:
        """Compare one day and keep the report."""
        assert self._known is not None
        return Done([keep(await compare(self._known, self._gateway, date.fromisoformat(job.payload.decode())))])


async def compare_now(settings: Settings, day: date) -> Compared:
    """`marketplace payments reconcile`: compare a day for an operator and keep the report."""
    assert settings.stripe_secret_key is not None
    gateway = Stripe(
        secret_key=settings.stripe_secret_key.get_secret_value(),
        api_url=str(settings.stripe_api_base),
        api_version=settings.stripe_api_version,
    )
    db = await asyncpg.connect(settings.database_url("cli"), server_settings={"search_path": "payments"})
    try:
        compared = await compare(db, gateway, day)
        report = keep(compared)
        await db.executemany(report.sql, report.rows)
    finally:
        await asyncio.gather(db.close(), gateway.close())
    return compared


BALANCES = """
    SELECT currency, account, sum(amount)::bigint AS amount, count(*) AS postings
      FROM ledger_posting JOIN ledger_entry USING (entry_id)
     WHERE $1::uuid IS NULL OR order_id = $1 GROUP BY currency, account ORDER BY currency, account
"""


async def balances(settings: Settings, order_id: UUID | None) -> list[tuple[str, str, int, int]]:
    """`marketplace payments ledger`: currency, account, balance in hundredths, number of postings; of all or of one order."""
    db = await asyncpg.connect(settings.database_url("cli"), server_settings={"search_path": "payments"})
    try:
        rows = await db.fetch(BALANCES, order_id)
    finally:
        await db.close()
    return [(row["currency"], row["account"], row["amount"], row["postings"]) for row in rows]
