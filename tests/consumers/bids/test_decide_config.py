"""What a seller may offer, field by field (RULES O2, M2, N1)."""

from typing import Any

import msgspec
import pytest

from consumers.bids.auction import UNOPENED
from consumers.bids.commands import Answer
from consumers.bids.offer import Config, Offer
from tests.consumers.bids.builders import END, NOON, SAM, Story, given, opening

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seller", None),
        ("seller", ""),
        ("seller", 7),
        ("start_price", None),
        ("start_price", 10_00.0),
        ("start_price", True),
        ("start_price", 10**10),
        ("start", "noon"),
        ("start", 10**30),
        ("end", None),
        ("end", NOON),
        ("end", 1e12),
        ("reserve", 10_00),
        ("reserve", "80.00"),
        ("reserve_policy", "guess"),
        ("reserve_lowering", 1),
        ("increments", "NONE"),
        ("increments", 5),
        ("increments", {"rows": []}),
        ("increments", {"rows": [1]}),
        ("increments", {"rows": [{"from": 1}]}),
        ("increments", {"rows": [{"from": 1, "step": 0}]}),
        ("increments", {"rows": [{"from": 1, "step": 5}, {"from": 1, "step": 6}]}),
        ("increments", {"rows": [{"from": 1, "step": 5}, {"from": 2, "step": 4}]}),
        ("closing", "soft"),
        ("closing", {}),
        ("closing", {"mode": "gentle"}),
        ("closing", {"mode": "soft"}),
        ("closing", {"mode": "soft", "window": 0}),
        ("closing", {"mode": "soft", "window": 5, "extension": 0}),
        ("closing", {"mode": "soft", "window": 5, "extend": "double"}),
        ("closing", {"mode": "soft", "window": 5, "maxExtensions": -1}),
        ("closing", {"mode": "soft", "window": 5, "hardStop": END - 1}),
        ("closing", {"mode": "counter_bid"}),
        ("buy_now", 50_00),
        ("buy_now", {}),
        ("buy_now", {"price": 50_00.0}),
        ("buy_now", {"price": 12_99}),
        ("buy_now", {"price": 50_00, "maxPolicy": "perhaps"}),
        ("buy_now", {"price": 50_00, "minPercent": 501}),
        ("retraction", "no"),
        ("seller_may_stop", 0),
        ("confirm_factor", 1),
        ("confirm_factor", 2.5),
        ("strikes_max", -1),
        ("strikes_max", True),
        ("pay_window_s", 0),
        ("linked_accounts", "eve"),
        ("linked_accounts", [7]),
        ("blocked", {"eve": 1}),
        ("duration", 0),
    ],
    ids=repr,
)
def test_a_config_with_a_wrong_field_opens_nothing(field: str, value: Any) -> None:
    story = Story()

    outcome = story.ask(opening(**{field: value}))

    assert outcome.answer == Answer("refused", "invalid_config")
    assert outcome.events == ()
    assert story.auction is UNOPENED


def test_every_field_of_a_config_arrives_in_the_terms() -> None:
    said = Config(
        seller=SAM,
        linked_accounts=["eve"],
        currency="GBP",
        start_price=10_00,
        start=NOON,
        end=END,
        increments={"rows": [{"from": 1, "step": 7}]},
        reserve=80_00,
        reserve_policy="jump",
        reserve_lowering=False,
        closing={"mode": "soft", "window": 5, "extend": "add", "maxExtensions": 3, "hardStop": END + 9},
        buy_now={"price": 90_00, "maxPolicy": "buys", "minPercent": 200},
        retraction=False,
        seller_may_stop=False,
        confirm_factor=10**30,
        strikes_max=1,
        pay_window_s=86_400,
        blocked=["mallory"],
    )
    story = given(msgspec.structs.replace(opening(), config=said))

    auction = story.open

    offer = Offer(auction.terms, auction.start, auction.end, None, auction.reserve, auction.blocked)
    assert msgspec.json.decode(msgspec.json.encode(offer)) == [
        [
            SAM,
            ["eve"],
            "GBP",
            10_00,
            [[1], [7]],
            "jump",
            False,
            ["soft", 5, 5, "add", 3, END + 9],
            [90_00, "buys", 200],
            False,
            False,
            9_999_999_999,
            1,
            86_400,
        ],
        NOON,
        END,
        None,
        80_00,
        ["mallory"],
    ]
