"""The check at the end of a run: a fast run that broke an invariant is a failure, not a figure."""

from uuid import UUID

import asyncpg

from consumers.bids.verify import verify
from tests.benchmarks.stack import Bench, until

TOLD_WITHIN_S = 20.0
SAMPLED_AUCTIONS = 3
SAMPLED_BIDS_MAX = 250_000

GAPS = """
    SELECT count(*) FROM (
        SELECT first_seq, lag(last_seq) OVER (PARTITION BY aggregate ORDER BY first_seq) AS before
          FROM bids.log WHERE first_seq IS NOT NULL) one
     WHERE before IS NOT NULL AND first_seq <> before + 1
"""

UNLIKE = """
    SELECT count(*) FROM bids.auction a
      JOIN (SELECT aggregate, max(last_seq) AS last FROM bids.log WHERE first_seq IS NOT NULL GROUP BY aggregate) l
        ON l.aggregate = a.id
     WHERE l.last <> a.seq
"""

SETTLED = """
    SELECT count(*) = 0 FROM bids.offsets WHERE topic = 'auction-commands' AND published <> next_offset
"""

SMALL = """
    SELECT aggregate FROM bids.log WHERE first_seq IS NOT NULL
     GROUP BY aggregate HAVING min(first_seq) = 1 AND count(*) <= $1 LIMIT $2
"""


async def check(bench: Bench) -> list[str]:
    """What is wrong with what the running worker did: gaps in sequences, states unlike the log, events not told, and a sample folded anew from its log."""
    async with bench.owner() as db:
        if not await settled(db):
            return [f"the worker has not told all of its events within {TOLD_WITHIN_S} s"]
        wrong = [
            f"{count} {what}"
            for count, what in (
                (await db.fetchval(GAPS), "gaps in the sequences of auctions"),
                (await db.fetchval(UNLIKE), "auctions whose state is not that of their log"),
            )
            if count
        ]
        sample = await _sample(db)
    for auction in sample:
        await verify(bench.settings, auction, view=False, report=wrong.append)
    return wrong


async def settled(db: asyncpg.Connection) -> bool:
    """Whether all that was decided is told; the marks are written a second after there is nothing more to decide."""
    try:
        await until(lambda: db.fetchval(SETTLED), within_s=TOLD_WITHIN_S)
    except TimeoutError:
        return False
    return True


async def _sample(db: asyncpg.Connection) -> list[UUID]:
    return [row["aggregate"] for row in await db.fetch(SMALL, SAMPLED_BIDS_MAX, SAMPLED_AUCTIONS)]
