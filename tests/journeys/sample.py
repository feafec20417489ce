"""Which cases of the rules' vector file can go through the running system, and which thirty of them do.

`python -m tests.journeys.sample` prints the thirty anew, to be written into SAMPLE when the vector file changes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

Case = dict[str, Any]

VECTORS = Path(__file__).parents[1] / "vectors" / "vectors.json"
CASES: dict[str, Case] = {case["id"]: case for case in msgspec.json.decode(VECTORS.read_bytes())["cases"]}
SIZE = 30

SAMPLE = (
    "B-both-plain-3000",
    "B10",
    "B12",
    "B22",
    "B24",
    "B26",
    "I-EBAY-US-500000-low",
    "I-FLAT-1-1-low",
    "I-WHATNOT-US-99999-high",
    "K-cancel-scheduled",
    "K02",
    "K04",
    "K06",
    "K10",
    "N01",
    "N09",
    "N14",
    "O04",
    "R01",
    "R12",
    "R15",
    "R19",
    "V01",
    "V02",
    "X06",
    "X12",
    "X13",
    "X24",
    "X26",
    "X27",
)

FIELDS = {
    "bid": {"bidder", "amount", "maxAmount", "currency", "confirmed"},
    "buy_now": {"bidder", "currency"},
    "retract": {"bidder", "reason"},
    "end_early": {"by", "mode", "reason"},
    "cancel": {"by", "reason"},
    "lower_reserve": {"by", "reserve"},
    "block_bidder": {"by", "bidder", "cancelBids"},
}
"""What can be asked over HTTP; the clock alone closes, and a deadline or a limit is nobody's to send."""

CONFIG = {
    *("seller", "currency", "startPrice", "start", "end", "incrementTable", "reserve", "reservePolicy"),
    *("reserveLowering", "buyNow", "retraction", "sellerMayStop", "confirmFactor", "blocked"),
}
TABLES = (None, "EBAY-US", "EBAY-UK", "WHATNOT-US", "FLAT-1")
LARGEST_AMOUNT = 9_999_999_999
HALF_A_DAY_MS = 43_200_000
BRIEF_MS = 5_000
"""The steps of a fitting case lie no further apart; more would make what is decided hinge on waiting."""


def fits(case: Case) -> bool:
    """Whether a case means over HTTP what it means to the rules, however fast its steps follow each other."""
    config, steps = case["config"], case["steps"]
    opened = [number for number, step in enumerate(steps) if step["command"]["type"] == "open"]
    return (
        opened in ([], [0])
        and config.keys() <= CONFIG
        and config.get("incrementTable") in TABLES
        and config["end"] - config["start"] > 2 * HALF_A_DAY_MS
        and steps[-1]["t"] - steps[0]["t"] <= BRIEF_MS
        and _starts_before_or_after(case)
        and all(_can_be_asked(step["command"]) for step in steps[len(opened) :])
    )


def is_scheduled(case: Case) -> bool:
    """Whether the auction has not started when the case ends."""
    return bool(case["config"]["start"] > case["steps"][-1]["t"])


def _starts_before_or_after(case: Case) -> bool:
    return is_scheduled(case) or case["config"]["start"] <= case["steps"][0]["t"]


def _can_be_asked(command: dict[str, Any]) -> bool:
    said = {name: value for name, value in command.items() if name not in ("type", "key") and value is not None}
    amounts = [said[name] for name in ("amount", "maxAmount") if name in said]
    return (
        command["type"] in FIELDS
        and said.keys() <= FIELDS[command["type"]]
        and all(type(amount) is int and 0 < amount <= LARGEST_AMOUNT for amount in amounts)
        and (command["type"] != "bid" or bool(amounts))
        and type(said.get("reserve", 0)) is int
        and said.get("reserve", 0) >= 0
        and _is_worded(command["type"], said)
    )


def _is_worded(kind: str, said: dict[str, Any]) -> bool:
    """Whether words are such as the edge lets pass: it asks for reasons and modes itself."""
    match kind:
        case "retract":
            return said.get("reason") in ("wrong_amount", "description_changed")
        case "cancel":
            return bool(said.get("reason"))
        case "end_early":
            return said.get("mode") in ("sell_to_high_bidder", "cancel") and said.get("reason") != ""
        case _:
            return True


def chosen() -> tuple[str, ...]:
    """Thirty fitting cases that together show most: again and again the one that adds most to those before it."""
    shows = {name: set(_shown(case)) for name, case in CASES.items() if fits(case)}
    found: list[str] = []
    seen: set[str] = set()
    while len(found) < SIZE:
        best = max(shows.keys() - set(found), key=lambda name: (len(shows[name] - seen), len(shows[name]), name))
        found.append(best)
        seen |= shows[best]
    return tuple(sorted(found))


def _shown(case: Case) -> Iterator[str]:
    yield from case["rules"]
    yield from (f"config {name}={case['config'][name]}" for name in case["config"].keys() - {"startPrice", "end"})
    for step in case["steps"]:
        yield f"{step['command']['type']} {sorted(step['command'])} {step['result']['code']}"
        yield " ".join(event["type"] for event in step["events"])


if __name__ == "__main__":
    fitting = sum(fits(case) for case in CASES.values())
    print(f"# {fitting} of {len(CASES)} cases fit", *chosen(), sep="\n")
