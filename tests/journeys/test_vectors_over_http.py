"""Thirty cases of the auction rules' vector file through the whole running system: HTTP, Kafka, Postgres, Redis, the topic."""

import asyncio
from typing import Any, NamedTuple

import httpx
import pytest

from compose.settings import Settings
from tests.journeys.over_http import OverHttp, read
from tests.journeys.records import ends, records
from tests.journeys.sample import CASES, SAMPLE, chosen, fits
from topics.catalog import AUCTION_EVENTS

AT_ONCE = 6


class Played(NamedTuple):
    """What happened to a case; one that broke off says why, and leaves the others alone."""

    steps: list[dict[str, Any]]
    events: list[dict[str, Any]]
    broke: Exception | None = None


@pytest.fixture(scope="module")
async def played(stack: Settings) -> dict[str, Played]:
    """All cases, some at once, each in an auction of its own; then what the topic says of them."""
    before = await ends(stack.kafka_bootstrap, AUCTION_EVENTS.name)
    turn = asyncio.Semaphore(AT_ONCE)
    base = f"{str(stack.public_url).rstrip('/')}/api/v1"
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        auctions = {name: OverHttp(stack, http, CASES[name]) for name in SAMPLE}

        async def play(auction: OverHttp) -> Played:
            steps: list[dict[str, Any]] = []
            async with turn:
                try:
                    for step in auction.case["steps"]:
                        steps.append(await auction.step(step["command"]))  # noqa: PERF401  kept when it breaks off
                except (httpx.HTTPError, LookupError, TimeoutError, ValueError) as error:
                    return Played(steps, [], error)
            return Played(steps, [])

        happened = dict(zip(auctions, await asyncio.gather(*map(play, auctions.values())), strict=True))
    told: dict[str, list[dict[str, Any]]] = {}
    async for record in records(stack.kafka_bootstrap, [AUCTION_EVENTS.name], since=before):
        told.setdefault(record.key.decode(), []).append(read(record.value))
    for name, auction in auctions.items():
        happened[name].events.extend(auction.event(event) for event in told.get(auction.auction_id, []))
    return happened


@pytest.mark.stack
@pytest.mark.parametrize("name", SAMPLE)
def test_the_running_system_follows_the_published_case(played: dict[str, Played], name: str) -> None:
    case = CASES[name]

    steps, events, broke = played[name]

    if broke is not None:
        raise broke
    for number, (step, happened) in enumerate(zip(case["steps"], steps, strict=True)):
        assert happened == {part: step[part] for part in ("result", "state")}, f"step {number}: {step['command']}"
    assert events == [event for step in case["steps"] for event in step["events"]]


@pytest.mark.quick
def test_the_sample_is_what_the_script_chooses() -> None:
    assert chosen() == SAMPLE
    assert all(fits(CASES[name]) for name in SAMPLE)
