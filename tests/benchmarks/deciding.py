"""P3: what the real bids worker decides in a second, beside a bare pipe that writes and tells the same bytes."""

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from schemas import envelope
from tests.benchmarks import beside, drain, protocol
from tests.benchmarks.drain import PARTITION, WORKER, Filled
from tests.benchmarks.peers.drain import Plan, Row
from tests.benchmarks.protocol import Report, ratios, sides
from tests.benchmarks.stack import Bench, bench
from topics.catalog import AUCTION_COMMANDS

EVENTS = "bench-events"
REPLIES = "bench-replies"
TEMPLATES = 1_000
WARM_UP = 5_000
CASES = {"hot": (1, 0.80), "wide": (1_000, 0.65)}

TABLE = """
    DROP SCHEMA IF EXISTS bench CASCADE;
    CREATE SCHEMA bench;
    CREATE TABLE bench.log (LIKE bids.log INCLUDING ALL)
"""

SAMPLE = """
    SELECT first_seq, last_seq, actor, reply, events, facts FROM bids.log
     WHERE command_type = 'PlaceBid' AND partition = $1 ORDER BY src_offset DESC LIMIT $2
"""


@dataclass
class Case:
    """One kind of load and what was measured of it."""

    name: str
    auctions: int
    reach: float
    templates: list[Row] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)


async def templates(one: Bench) -> list[Row]:
    """Rows that the worker has just written, with headers as it gives its events and replies."""
    async with one.owner() as db:
        rows = await db.fetch(SAMPLE, PARTITION, TEMPLATES)
    return [
        Row(
            *(row["first_seq"], row["last_seq"], row["actor"], row["reply"], list(row["events"]), row["facts"]),
            [_event_headers(value) for value in row["events"]],
            _reply_headers(),
        )
        for row in rows
    ]


def _event_headers(value: bytes) -> list[tuple[str, bytes]]:
    told = msgspec.json.decode(value)
    some_id = told["eventId"].encode()
    return [
        (envelope.CE_SPECVERSION, envelope.SPEC_VERSION),
        (envelope.CE_SOURCE, b"/bids"),
        (envelope.CE_TYPE, b"auction.bid-placed.v1"),
        (envelope.CE_DATASCHEMA, b"schemas/released/auction.bid-placed.v1.json"),
        (envelope.CONTENT_TYPE_HEADER, envelope.CONTENT_TYPE),
        (envelope.CE_ID, some_id),
        (envelope.CE_TIME, told["timestamp"].encode()),
        (envelope.CE_SUBJECT, some_id),
        (envelope.CAUSATION_ID, some_id),
        *_reply_headers()[1:],
    ]


def _reply_headers() -> list[tuple[str, bytes]]:
    return [
        (envelope.CONTENT_TYPE_HEADER, envelope.CONTENT_TYPE),
        (envelope.CORRELATION_ID, b"0" * 32),
        (envelope.TRACEPARENT, b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00"),
    ]


async def peer(one: Bench, case: Case, filled: Filled) -> dict[str, Any]:
    """The bare pipe over the same commands."""
    async with one.owner() as db:
        await db.execute("TRUNCATE bench.log")
    plan = Plan(
        *(one.settings.kafka_bootstrap, one.settings.database_url("cli"), AUCTION_COMMANDS.name, EVENTS, REPLIES),
        *(PARTITION, filled.first_bid, filled.end, case.templates),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan"
        path.write_bytes(msgspec.msgpack.encode(plan))
        async with beside.peer("drain", path) as process:
            assert process.stdout is not None
            told: dict[str, Any] = json.loads(await process.stdout.readline())
    told |= {"per_s": told["commands"] / told["seconds"], "us": told["cpu_s"] / told["commands"] * 1e6}
    return told


async def ours(one: Bench, filled: Filled, report: Report) -> dict[str, float]:
    """The worker over the commands, from its start; then the check of what it did."""
    samples = await drain.drain(one, filled.end)
    drained = drain.between(samples, filled.first_bid, filled.end)
    report.violations += await drain.check(one, filled)
    await one.stop(WORKER)
    return drained.told()


async def measure_case(one: Bench, report: Report, case: Case, rounds: int, count: int) -> None:
    """All rounds of one case: the same commands for both, the tables empty before each."""
    await one.only()
    await one.forget_auctions()
    await ours(one, await drain.fill(one, case.auctions, max(WARM_UP, 2 * case.auctions)), report)
    case.templates = await templates(one)
    for number in range(rounds):
        await one.forget_auctions()
        filled = await drain.fill(one, case.auctions, count)
        for side in sides(number):
            await one.checkpoint()
            told = await (ours(one, filled, report) if side == "ours" else peer(one, case, filled))
            (case.ours if side == "ours" else case.peer).append(told["per_s"])
            report.keep(f"{case.name}-{side}", told)
            report.say(f"{case.name}, round {number + 1}, {side}: {told['per_s']:.0f} a second")


async def run(report: Report) -> None:
    """Both cases."""
    asked = report.options
    async with bench(keep=asked.keep) as one:
        await beside.make_topics(one, EVENTS, REPLIES)
        async with one.owner() as db:
            await db.execute(TABLE)
        for name, (auctions, reach) in CASES.items():
            case = Case(name, auctions, reach)
            await measure_case(one, report, case, asked.rounds, asked.bids)
            told = f"decided a second over the bare pipe, {auctions} auction{'s' * (auctions > 1)}"
            report.figure("P3", told, ratios(case.ours, case.peer), at_least=reach)
            report.figure("P3", f"{name}: ours", case.ours, unit="/s")
            report.figure("P3", f"{name}: bare pipe", case.peer, unit="/s")
        async with one.owner() as db:
            await db.execute("DROP SCHEMA bench CASCADE")


def main(argv: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("deciding", argv, run)


if __name__ == "__main__":
    sys.exit(
        main(protocol.options("deciding", __doc__, rounds=2, seconds=0, bids=(200_000, "bids of one measurement")))
    )
