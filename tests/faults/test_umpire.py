"""The checker's own reading of the rules agrees with every published vector, so that its word counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.umpire import Umpire

pytestmark = pytest.mark.quick

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "vectors.json").read_text())["cases"]
NOT_IN_THE_BODY = {"t", "key", "deadline", "limit"}


class Table:
    """One case played: the umpire, and what was said under each key (K2, K3)."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.umpire: Umpire | None = None
        self.seq = 0
        self.keys: dict[tuple[Any, str], tuple[dict[str, Any], dict[str, Any]]] = {}

    def play(self, step: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """(result, events) of a step; None for an opening and what comes before it, which the umpire takes on trust."""
        command, t = step["command"], step["t"]
        if self.umpire is None:
            if step["result"]["code"] == "opened":
                self.umpire, self.seq = Umpire.open(self.config, t), 1
                self.remember(command, step["result"])
            return None
        actor = command.get("by", command.get("bidder"))
        earlier = self.keys.get((actor, command["key"])) if command.get("key") is not None else None
        if earlier is not None and earlier[0] == body(command):
            self.umpire.clock = max(self.umpire.clock, t)
            return earlier[1], []
        said = self.umpire.ask(command, t, conflict=earlier is not None)
        result: dict[str, Any] = {"outcome": said.outcome, "code": said.code}
        result |= {} if said.price is None else {"price": said.price}
        result |= {} if said.minimum is None else {"minimum": said.minimum}
        if earlier is None:
            self.remember(command, result)
        events = [
            {"seq": self.seq + place, "type": kind, "data": data} for place, (kind, data) in enumerate(said.events, 1)
        ]
        self.seq += len(events)
        return result, events

    def remember(self, command: dict[str, Any], result: dict[str, Any]) -> None:
        if command.get("key") is not None:
            self.keys[command.get("by", command.get("bidder")), command["key"]] = (body(command), result)


def body(command: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in command.items() if name not in NOT_IN_THE_BODY and value is not None}


@pytest.mark.parametrize("case", VECTORS, ids=[case["id"] for case in VECTORS])
def test_the_umpire_says_what_the_vectors_say(case: dict[str, Any]) -> None:
    table = Table(case["config"])
    for step in case["steps"]:
        said = table.play(step)
        if said is not None:
            assert said == (step["result"], step["events"]), step
