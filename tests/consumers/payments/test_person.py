"""What people are to payments: onboarding, saved methods, consent, leaving; values only."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from consumers.payments.facts import Asked, Decided
from consumers.payments.order import Told
from consumers.payments.person import METHODS_MAX, Person, decide, evolve
from schemas import payments as said
from schemas.envelope import Actor, Wire
from tests.consumers.payments.builders import ANNA, EVE, MINA, NOON, SYSTEM

pytestmark = pytest.mark.quick

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def ask(person: Person, body: Wire, actor: Actor) -> tuple[Person, Decided]:
    decided = decide(person, Asked(body, actor, NOON))
    for told in decided.told:
        person = evolve(person, told)
    return person, decided


def known(*methods: str, who: Actor = ANNA) -> Person:
    person = Person(id=UUID(who.id))
    for method in methods:
        person, _ = ask(person, said.RecordPayer(customer_id="cus_1", payment_method_id=method), SYSTEM)
    return person


def account(ready: bool, at: datetime = AT) -> said.RecordAccount:
    return said.RecordAccount(
        account_id="acct_1", observed_at=at, details_submitted=ready, charges_enabled=ready, payouts_enabled=ready
    )


@pytest.mark.parametrize(
    "body",
    [
        said.StartOnboarding(),
        said.SavePaymentMethod(),
        said.RemovePaymentMethod(payment_method_id="pm_1"),
        said.SetAutomaticPayment(enabled=True),
    ],
    ids=lambda body: type(body).__name__,
)
def test_nobody_acts_for_another(body: Wire) -> None:
    assert ask(known("pm_1"), body, EVE)[1].code == "forbidden"


@pytest.mark.parametrize("body", [account(ready=True), said.RecordPayer(customer_id="cus_2"), said.ForgetPayer()])
def test_nobody_speaks_for_the_provider(body: Wire) -> None:
    assert ask(known("pm_1"), body, ANNA)[1].code == "forbidden"


def test_only_sellers_are_paid_out() -> None:
    assert ask(known(), said.StartOnboarding(), ANNA)[1].code == "not_allowed"
    assert ask(Person(id=UUID(MINA.id)), said.StartOnboarding(), MINA)[1].code == "onboarding_started"


def test_an_older_look_at_an_account_changes_nothing() -> None:
    person, _ = ask(Person(id=UUID(MINA.id)), account(ready=True), SYSTEM)

    person, late = ask(person, account(ready=False, at=AT - timedelta(seconds=1)), SYSTEM)

    assert (late.code, person.payouts_enabled) == ("older", True)


def test_an_account_that_is_restricted_again_is_told() -> None:
    person, _ = ask(Person(id=UUID(MINA.id)), account(ready=True), SYSTEM)

    person, decided = ask(person, account(ready=False, at=AT + timedelta(seconds=1)), SYSTEM)

    assert (decided.outcome, person.payouts_enabled) == ("accepted", False)


def test_a_method_is_saved_once_and_the_last_one_counts() -> None:
    person = known("pm_1", "pm_2", "pm_1")

    assert [one.id for one in person.methods] == ["pm_1", "pm_2"]
    assert len(known(*(f"pm_{n}" for n in range(METHODS_MAX + 5))).methods) == METHODS_MAX


def test_consent_needs_a_method_and_goes_with_the_last_one() -> None:
    assert ask(known(), said.SetAutomaticPayment(enabled=True), ANNA)[1].code == "method_not_found"
    person, _ = ask(known("pm_1"), said.SetAutomaticPayment(enabled=True), ANNA)

    person, _ = ask(person, said.RemovePaymentMethod(payment_method_id="pm_1"), ANNA)

    assert (person.methods, person.automatic) == ((), False)


def test_of_who_left_nothing_stays_that_could_be_charged() -> None:
    person, _ = ask(known("pm_1"), said.SetAutomaticPayment(enabled=True), ANNA)

    person, decided = ask(person, said.ForgetPayer(), SYSTEM)

    assert (person.customer_id, person.methods, person.automatic) == (None, (), False)
    assert [told.kept for told in decided.told] == [{"customer": "cus_1"}]
    assert ask(person, said.ForgetPayer(), SYSTEM)[1].outcome == "no_op"


def test_an_order_happens_to_no_person() -> None:
    with pytest.raises(TypeError):
        evolve(known(), Told(said.AcceptOffer()))
