"""P17: the CPU of a webhook from its signed POST to 200 once it is durable, beside a bare ASGI app with one HMAC and one produce."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from uuid import uuid4

from compose.sandboxes.stripe import intents
from compose.sandboxes.stripe.store import Store
from compose.sandboxes.stripe.world import Call, World
from edge_api.stripe_signature import sign
from edge_api.stripe_webhook import PATH
from tests.benchmarks import protocol
from tests.benchmarks.beside import free_port, make_topics, peer
from tests.benchmarks.open_loop import Load, http_post
from tests.benchmarks.peers.bare_webhook import TOPIC
from tests.benchmarks.protocol import Report, ratios, sides
from tests.benchmarks.stack import Bench, bench, ends_of, until
from tests.benchmarks.usage import cpu_of, spent
from topics.catalog import PAYMENT_COMMANDS

REACH = 1.4
WARM_UP_S = 2.0
RECORDING = ("stripe", "payments-1")
"""What takes the webhooks on; while the edge is measured it stands still, since it would share the edge's caches."""
CAUGHT_UP_S = 60.0

RECORDED = "SELECT count(*) FROM payments.log WHERE command_type = 'RecordProviderEvent'"


def webhooks(path: str, secret: bytes) -> Callable[[int], bytes]:
    """The nth request of the load: an event of its own about an order of its own, as long as Stripe's, signed now."""
    template = _event()

    def request(number: int) -> bytes:
        body = template.replace(b"EVENT", uuid4().hex.encode()).replace(b"ORDER", str(uuid4()).encode())
        return http_post(path, body, f"Stripe-Signature: {sign(body, secret=secret, at_s=int(time.time()))}")

    return request


def _event() -> bytes:
    # The stand-in's own event of an intent: fields, length and layout as Stripe sends them.
    world = World(Store(":memory:"), api_version="2023-10-16")
    shipping = {"name": "Anna Liddell", "address": {"line1": "Main Street 1", "city": "Springfield", "country": "US"}}
    marks = {"order_id": "ORDER", "auction_id": str(uuid4()), "user_id": str(uuid4()), "job_id": str(uuid4())}
    wanted = {
        "amount": 15_000,
        "currency": "usd",
        "shipping": shipping,
        "metadata": marks,
        "transfer_group": "order_ORDER",
    }
    intents.create(world, Call(wanted))
    [event] = world.told
    # Of a kind that payments keeps without asking Stripe about it: there are no such orders.
    event["data"]["object"]["object"] = "payout"
    return json.dumps(event | {"id": "evt_EVENT", "type": "payout.updated"}, indent=2).encode()


async def run(report: Report) -> None:
    """Ours and the bare one by turns, both alone with the broker; then the edge with the worker that records what it took."""
    asked = report.options
    async with bench(keep=asked.keep) as one:
        await one.only("edge")
        await make_topics(one, TOPIC)
        secret = one.edge.webhook_secrets[0]
        before, appended = await _recorded(one), await _end(one)
        port = free_port()
        async with peer("bare_webhook", one.settings.kafka_bootstrap, port, secret.decode(), port=port) as taker:
            ours = Load(one.edge.edge_port, webhooks(PATH, secret))
            bare = Load(port, webhooks("/", secret))
            for load in (ours, bare):
                await load.open()
                await load.run(asked.rate, WARM_UP_S)
            pids = {"ours": one.pids("edge"), "peer": {"bare": taker.pid}}
            await measure_rate(report, {"ours": ours, "peer": bare}, pids)
        for name in RECORDING:
            await one.start(name)
        await until(lambda: _caught_up(one, before + ours.total), within_s=CAUGHT_UP_S)
        us, _ = await _measured(report, "both", ours, one.pids("edge", "payments-1"))
        for name, value in us.items():
            report.figure("P17", f"with the worker beside it, CPU of a webhook: {name}", [value], unit="us")
        await until(lambda: _caught_up(one, before + ours.total), within_s=CAUGHT_UP_S)
        if await _end(one) - appended != ours.total:
            report.violations.append(
                f"{ours.total} webhooks were answered, {await _end(one) - appended} stand on the topic"
            )


async def measure_rate(report: Report, loads: dict[str, Load], pids: dict[str, dict[str, int]]) -> None:
    """All rounds."""
    asked = report.options
    cpu: dict[str, list[float]] = {"ours": [], "peer": []}
    p99: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(asked.rounds):
        for side in sides(number):
            us, p99_ms = await _measured(report, side, loads[side], pids[side])
            cpu[side].append(sum(us.values()))
            p99[side].append(p99_ms)
    report.figure(
        "P17",
        f"CPU of a webhook at {asked.rate}/s over the bare taker's",
        ratios(cpu["ours"], cpu["peer"]),
        at_most=REACH,
    )
    report.figure("P17", "CPU of a webhook: edge", cpu["ours"], unit="us")
    report.figure("P17", "bare: ASGI, HMAC, idempotent produce", cpu["peer"], unit="us")
    report.figure("P17", "p99 over the bare taker's", ratios(p99["ours"], p99["peer"]))


async def _measured(report: Report, side: str, load: Load, pids: dict[str, int]) -> tuple[dict[str, float], float]:
    """CPU of a webhook by process, us, and the 99th percentile of the answers' times, ms."""
    asked = report.options
    began = cpu_of(pids)
    answers = await load.run(asked.rate, asked.seconds)
    us = {name: value / answers.sent * 1e6 for name, value in spent(began, cpu_of(pids)).items()}
    told = answers.told()
    report.keep(side, told | {"cpu_us": {name: round(value) for name, value in us.items()}})
    report.say(f"{side}: {us}, p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms")
    if answers.statuses[200] != answers.sent:
        report.violations.append(f"{side}: {answers.sent} sent, answers {dict(answers.statuses)}")
    return us, told["p99_ms"]


async def _end(one: Bench) -> int:
    return sum((await ends_of(one.settings, PAYMENT_COMMANDS.name)).values())


async def _recorded(one: Bench) -> int:
    async with one.owner() as db:
        return int(await db.fetchval(RECORDED))


async def _caught_up(one: Bench, count: int) -> bool:
    return await _recorded(one) >= count


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("webhook", asked, run)


if __name__ == "__main__":
    sys.exit(main(protocol.options("webhook", __doc__, rounds=3, seconds=8, rate=(300, "webhooks a second"))))
