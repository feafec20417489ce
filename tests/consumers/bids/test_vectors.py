"""Every case of the auction rules' vector file, step by step (RULES section 14)."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumers.bids.auction import UNOPENED, Auction, Unopened, public_state
from consumers.bids.commands import Answer, AuctionCommand, OpenAuction, Remembered, UnknownCommand
from consumers.bids.decide import judge, needs_history
from consumers.bids.events import public
from consumers.bids.offer import Config
from consumers.bids.standing import Standing, fold_standing

pytestmark = pytest.mark.quick

VECTORS = Path(__file__).parents[2] / "vectors" / "vectors.json"
CASES: list[dict[str, Any]] = msgspec.json.decode(VECTORS.read_bytes())["cases"]
NOT_OF_THE_BODY = ("t", "key", "deadline", "limit")
KNOWN = {"bid", "buy_now", "retract", "close", "end_early", "cancel", "lower_reserve", "block_bidder"}


def said(command: dict[str, Any], config: dict[str, Any]) -> AuctionCommand:
    if command["type"] == "open":
        return OpenAuction(config=msgspec.convert(config, Config), deadline=command.get("deadline"))
    if command["type"] not in KNOWN:
        return UnknownCommand(deadline=command.get("deadline"))
    asked: AuctionCommand = msgspec.convert(command, AuctionCommand)
    return asked


class Engine:
    """One auction, and beside it what a worker keeps: who used which key, and the standing bids."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.auction: Auction = UNOPENED
        self.standing: Standing = {}
        self.told: dict[tuple[str | None, str], tuple[dict[str, Any], Answer]] = {}

    def step(self, t: int, said_command: dict[str, Any]) -> dict[str, Any]:
        key = (said_command.get("by") or said_command.get("bidder"), said_command.get("key", ""))
        body = {k: v for k, v in said_command.items() if k not in NOT_OF_THE_BODY and v is not None}
        earlier = None
        if key in self.told:
            first_body, answer = self.told[key]
            earlier = Remembered(first_body == body, answer)
        command = said(said_command, self.config)
        outcome, self.auction = judge(
            self.auction,
            command,
            t,
            standing=self.standing if needs_history(command) else None,
            earlier=earlier,
        )
        for event in outcome.events:
            fold_standing(self.standing, event)
        if said_command.get("key") and not isinstance(self.auction, Unopened):
            self.told.setdefault(key, (body, outcome.answer))
        return {
            "result": msgspec.to_builtins(outcome.answer),
            "events": [public(event) for event in outcome.events],
            "state": public_state(self.auction),
        }


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_engine_follows_the_published_case(case: dict[str, Any]) -> None:
    engine = Engine(case["config"])

    for number, step in enumerate(case["steps"]):
        happened = engine.step(step["t"], step["command"])

        expected = {part: step[part] for part in ("result", "events", "state")}
        assert happened == expected, f"step {number}: {step['command']}"


def test_the_file_is_whole() -> None:
    assert len(CASES) == 411
