"""Where a thing goes: said with the payment, or later by who is charged unasked; nobody ships to nowhere."""

from typing import Any

import pytest

from consumers.payments.facts import Facts
from schemas import payments as said
from tests.consumers.payments.builders import ADMIN, ANNA, EVE, MINA, Story, intent, opened, opening, pay

pytestmark = pytest.mark.quick

ADDRESS = said.GiveAddress(shipping_sealed="v1.another")


def charged_unasked() -> Story:
    """An order that is paid by the buyer's consent, without an address."""
    story = Story()
    story.facts = Facts(automatic=True, saved_method="pm_1", methods=frozenset({"pm_1"}), seller_paid=True)
    return story.step(opening()).step(intent("succeeded"))


def test_who_is_charged_unasked_gives_the_address_afterwards_and_then_it_is_shipped() -> None:
    story = charged_unasked()
    assert story.ask(said.ShipOrder(), MINA).code == "address_missing"

    given = story.ask(ADDRESS, ANNA)

    assert (given.outcome, given.code) == ("accepted", "address_given")
    assert story.now.shipping_sealed == "v1.another"
    assert story.ask(said.ShipOrder(), MINA).code == "shipped"


@pytest.mark.parametrize("actor", [MINA, EVE, ADMIN], ids=["seller", "stranger", "admin"])
def test_nobody_but_the_buyer_says_where_it_goes(actor: Any) -> None:
    story = opened()

    assert story.ask(ADDRESS, actor).code == "not_the_buyer"
    assert story.now.shipping_sealed is None


def test_what_is_on_its_way_goes_where_it_went() -> None:
    story = opened().step(pay(), ANNA).step(intent("succeeded")).step(said.ShipOrder(), MINA)

    decided = story.ask(ADDRESS, ANNA)

    assert (decided.outcome, decided.code) == ("refused", "wrong_state")
    assert story.now.shipping_sealed == "v1.sealed"
