"""What an order does with a command: values in, values out."""

import itertools
from typing import get_args
from uuid import UUID

import pytest

from consumers.payments.decide import wakes_at
from consumers.payments.evolve import evolve
from consumers.payments.facts import Bidder, Facts
from consumers.payments.moves import MOVES, IllegalMove, may, moved
from consumers.payments.order import Told
from consumers.payments.paying_out import owed
from schemas import payments as said
from schemas.envelope import Actor, Wire
from schemas.money import Minor
from schemas.payments import Status
from tests.consumers.payments.builders import (
    ADMIN,
    ANNA,
    DAY,
    EVE,
    EVERY_STATE,
    HOUR,
    MINA,
    NOON,
    SYSTEM,
    Story,
    asked_to_pay,
    completed,
    delivered,
    dispute,
    disputed,
    intent,
    offered,
    opened,
    opening,
    paid,
    pay,
    refund_done,
    refunded,
    shipped,
    terms,
    unpaid,
)

pytestmark = pytest.mark.quick

STATES: tuple[Status, ...] = get_args(Status)


def test_the_table_of_moves_names_every_state_and_every_other_move_is_refused() -> None:
    assert set(MOVES) == set(STATES)
    for now, to in itertools.product(STATES, STATES):
        if may(now, to):
            assert moved(now, to) == to
        else:
            with pytest.raises(IllegalMove):
                moved(now, to)


@pytest.mark.parametrize("state", STATES)
def test_there_is_a_way_to_each_state(state: Status) -> None:
    assert EVERY_STATE[state]().now.status == state


EVERYTHING_PEOPLE_ASK: list[tuple[Wire, Actor]] = [
    (pay(), ANNA),
    (said.ChargeSavedMethod(), ANNA),
    (said.CancelOrder(reason="It broke."), MINA),
    (said.ShipOrder(carrier="UPS"), MINA),
    (said.ConfirmDelivery(), ANNA),
    (said.RateOrder(stars=4), ANNA),
    (said.DisputeOrder(reason="damaged"), ANNA),
    (said.CloseCase(), ANNA),
    (said.CloseCase(in_favour_of="buyer"), ADMIN),
    (said.RefundOrder(), MINA),
    (said.OfferSecondChance(), MINA),
    (said.AcceptOffer(), ANNA),
    (said.DeclineOffer(), ANNA),
]
EVERYTHING_THE_PROVIDER_SAYS: list[tuple[Wire, Actor]] = [
    (intent("processing"), SYSTEM),
    (intent("requires_action"), SYSTEM),
    (intent("succeeded"), SYSTEM),
    (intent("canceled"), SYSTEM),
    (intent("failed", intent_id=None), SYSTEM),
    (dispute(), SYSTEM),
    (dispute("won"), SYSTEM),
    (dispute("lost"), SYSTEM),
    (said.RecordTransfer(payout_id=UUID(int=1), transfer_id="tr_1"), SYSTEM),
    (said.RecordReversal(reversal_id=UUID(int=1)), SYSTEM),
    (said.RecordRefund(provider_refund_id="re_9", amount=Minor(1_00), status="succeeded"), SYSTEM),
    (said.RecordRefund(provider_refund_id="re_9", amount=Minor(1_00), status="failed"), SYSTEM),
]


@pytest.mark.parametrize("state", STATES)
def test_whatever_is_said_in_whatever_state_only_legal_moves_happen(state: Status) -> None:
    for first, second in itertools.product(EVERYTHING_PEOPLE_ASK + EVERYTHING_THE_PROVIDER_SAYS, repeat=2):
        story = EVERY_STATE[state]()
        for body, actor in (first, second):
            before = story.now.status
            story.ask(body, actor)
            story.wake()
            assert story.now.status == before or _reachable(before, story.now.status), (before, body, story.now.status)
            assert story.now.refunded <= story.now.captured
            assert 0 <= owed(story.now) <= story.now.proceeds


def _reachable(before: Status, to: Status) -> bool:
    seen, edge = {before}, {before}
    while edge:
        edge = {one for state in edge for one in MOVES[state]} - seen
        seen |= edge
    return to in seen


@pytest.mark.parametrize(("body", "actor"), EVERYTHING_PEOPLE_ASK, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("state", STATES)
def test_a_stranger_is_refused_whatever_he_asks(state: Status, body: Wire, actor: Actor) -> None:
    story = EVERY_STATE[state]()

    decided = story.ask(body, EVE)

    assert (decided.outcome, decided.told) == ("refused", ())
    assert decided.code in {"not_the_buyer", "not_the_seller", "not_a_party"}


@pytest.mark.parametrize(("body", "actor"), EVERYTHING_THE_PROVIDER_SAYS, ids=lambda one: type(one).__name__)
def test_nobody_speaks_for_the_provider(body: Wire, actor: Actor) -> None:
    for person in (ANNA, MINA, ADMIN):
        assert asked_to_pay().ask(body, person).code == "forbidden"


@pytest.mark.parametrize(("body", "actor"), EVERYTHING_PEOPLE_ASK, ids=lambda one: type(one).__name__)
def test_what_is_asked_of_no_order_is_refused(body: Wire, actor: Actor) -> None:
    assert Story().ask(body, actor).code == "order_not_found"


def test_an_order_opens_once() -> None:
    story = opened()

    again = story.ask(opening(hammer_price=Minor(1)))

    assert (again.outcome, story.now.hammer) == ("no_op", 150_00)


def test_the_schedule_of_fees_is_frozen_in_the_order() -> None:
    story = Story().step(opening(terms=terms(version="2027-1", hammer_bps=1_000), shipping_cost=Minor(12_50)))

    assert story.now.terms["version"] == "2027-1"
    assert (story.now.amount, story.now.commission) == (162_50, 15_00 + 4_71 + 30)
    assert story.now.amount == story.now.proceeds + story.now.commission + story.now.tax


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (pay(149_99), "wrong_amount"),
        (pay(150_01), "wrong_amount"),
        (pay(currency="EUR"), "currency_mismatch"),
    ],
)
def test_only_the_exact_amount_is_taken(body: said.CreateIntent, code: str) -> None:
    decided = opened().ask(body, ANNA)

    assert decided.code == code
    if code == "wrong_amount":
        assert (decided.answer["amount"], decided.answer["currency"]) == (150.0, "USD")


def test_a_currency_that_cannot_be_paid_exactly_is_refused() -> None:
    story = Story().step(opening(currency="JPY", hammer_price=Minor(150_50)))

    assert story.ask(pay(150_50, "JPY"), ANNA).code == "currency_not_supported"


def test_a_currency_without_hundredths_has_whole_fees() -> None:
    story = Story().step(opening(currency="JPY", hammer_price=Minor(15_000_00)))

    assert story.ask(pay(15_000_00, "JPY"), ANNA).outcome == "accepted"
    assert (story.now.commission % 100, story.now.proceeds % 100) == (0, 0)


def test_asked_twice_there_is_one_payment() -> None:
    story = opened()
    first, second = story.ask(pay(), ANNA), story.ask(pay(), ANNA)

    assert first.answer["paymentId"] == second.answer["paymentId"]
    assert story.told.count("PaymentStarted") == 1


def test_an_intent_that_the_provider_refused_may_be_asked_for_again() -> None:
    story = opened().step(pay(), ANNA).step(intent("failed", intent_id=None, decline_code="amount_too_small"))

    story.step(pay(), ANNA)

    assert story.told.count("PaymentStarted") == 2


def test_late_words_about_an_earlier_intent_do_not_touch_the_present_one() -> None:
    story = asked_to_pay().step(intent("canceled")).step(pay(), ANNA)

    assert story.ask(intent("canceled")).code == "another_intent"
    story.step(intent("requires_payment_method", intent_id="pi_2"))

    assert (story.now.intent_id, story.now.payment) == ("pi_2", "requires_payment_method")


def test_nobody_pays_after_the_window() -> None:
    story = opened().later(4 * DAY)

    assert story.ask(pay(), ANNA).code == "pay_window_over"


def test_a_decline_is_told_once_per_attempt() -> None:
    declined = intent("requires_payment_method", decline_code="insufficient_funds", charge_id="ch_0")
    story = asked_to_pay().step(declined)

    assert story.ask(declined).outcome == "no_op"
    story.step(intent("requires_payment_method", decline_code="insufficient_funds", charge_id="ch_1"))
    assert story.told.count("PaymentDeclined") == 2


def test_old_words_about_a_payment_that_succeeded_change_nothing() -> None:
    story = paid()
    for body in (intent("processing"), intent("requires_payment_method"), intent("canceled"), intent("succeeded")):
        assert story.ask(body).told == ()
    assert story.now.status == "paid"


def test_success_may_be_the_first_word_of_all() -> None:
    story = opened().step(pay(), ANNA).step(intent("succeeded"))

    assert story.now.status == "paid"


def test_an_intent_over_another_amount_pays_for_nothing() -> None:
    decided = asked_to_pay().ask(intent("succeeded", received=Minor(1_00)))

    assert (decided.outcome, decided.code) == ("refused", "wrong_amount")


def test_an_order_with_an_open_intent_ends_only_when_that_is_withdrawn() -> None:
    story = asked_to_pay().later(4 * DAY)
    story.wake()

    assert (story.now.status, story.told[-1]) == ("awaiting_payment", "PaymentStopping")
    assert story.ask(pay(), ANNA).code == "pay_window_over"
    story.step(intent("canceled"))
    assert (story.now.status, story.told[-1]) == ("unpaid", "OrderUnpaid")


def test_an_intent_that_comes_to_stand_while_the_order_ends_is_withdrawn_too() -> None:
    story = opened().step(pay(), ANNA).step(said.CancelOrder(reason="It broke."), MINA)
    story.step(intent("requires_payment_method"))

    assert story.told[-2:] == ["PaymentChanged", "PaymentStopping"]
    assert story.now.status == "awaiting_payment"


def test_who_pays_while_the_order_ends_has_bought_it() -> None:
    story = asked_to_pay().step(said.CancelOrder(reason="It broke."), MINA).step(intent("succeeded"))

    assert (story.now.status, story.now.stopping) == ("paid", None)


def test_the_buyer_is_reminded_twice_and_then_it_is_over() -> None:
    story = opened()
    woken = []
    while (at := wakes_at(story.now)) is not None:
        story.at_ms = at
        story.wake()
        woken.append(at - NOON)

    assert woken == [2 * DAY, 84 * HOUR, 4 * DAY]
    assert story.told == ["OrderCreated", "PaymentReminded", "PaymentReminded", "OrderUnpaid"]


@pytest.mark.parametrize(("actor", "by"), [(MINA, "seller"), (ADMIN, "platform")])
def test_the_seller_forgives_or_an_admin_lifts_a_strike_once(actor: Actor, by: str) -> None:
    story = unpaid()
    forgiven = said.LiftStrike(reason="The bank had closed his card.")

    story.step(forgiven, actor)

    told = story.happened[-1].event
    assert isinstance(told, said.StrikeLifted)
    assert (told.by, str(told.buyer_id), story.now.status) == (by, ANNA.id, "unpaid")
    assert story.ask(forgiven, ADMIN).code == "already_lifted"


def test_nobody_else_lifts_a_strike_and_nothing_else_is_one() -> None:
    forgiven = said.LiftStrike(reason="Please.")

    assert [unpaid().ask(forgiven, actor).code for actor in (ANNA, EVE)] == ["not_the_seller", "not_the_seller"]
    for state in EVERY_STATE.keys() - {"unpaid"}:
        assert EVERY_STATE[state]().ask(forgiven, MINA).code == "wrong_state"


def test_consent_lets_us_charge_at_once() -> None:
    story = Story()
    story.facts = Facts(saved_method="pm_1", methods=frozenset({"pm_1"}), automatic=True)
    story.step(opening())

    assert story.told == ["OrderCreated", "PaymentStarted"]


def test_a_method_of_somebody_else_is_not_charged() -> None:
    story = opened()
    story.facts = Facts(saved_method="pm_1", methods=frozenset({"pm_1"}))

    assert story.ask(said.ChargeSavedMethod(payment_method_id="pm_2"), ANNA).code == "method_not_found"
    assert story.ask(said.ChargeSavedMethod(), ANNA).outcome == "accepted"


def test_a_shipped_order_arrives_by_time() -> None:
    story = shipped()
    assert wakes_at(story.now) == NOON + 7 * DAY

    story.later(7 * DAY).wake()

    assert story.told[-2:] == ["OrderDelivered", "PayoutStarted"]


def test_the_payout_waits_for_the_seller_and_for_nothing_else() -> None:
    story = shipped()
    story.facts = Facts()
    story.step(said.ConfirmDelivery(), ANNA)
    assert story.told[-1] == "PayoutHeld"
    assert story.wake().outcome == "no_op", "he is told once"

    story.facts = Facts(seller_paid=True)
    story.wake()

    assert story.told[-1] == "PayoutStarted"


def test_a_failed_payout_is_tried_again_an_hour_later() -> None:
    story = delivered()
    [payout] = story.now.payouts
    story.step(said.RecordTransfer(payout_id=payout.id, failure="balance_insufficient"))
    assert story.wake().outcome == "no_op"
    assert wakes_at(story.now) == NOON + HOUR

    story.later(HOUR).wake()

    assert [one.status for one in story.now.payouts] == ["failed", "started"]


def test_what_a_seller_owes_is_cut_from_the_next_payout() -> None:
    story = shipped()
    story.facts = Facts(seller_paid=True, seller_owes=33_35)
    story.step(said.ConfirmDelivery(), ANNA)
    [payout] = story.now.payouts

    assert (payout.amount, payout.recovered) == (100_00, 33_35)


def test_a_payout_that_only_settles_debts_needs_no_transfer() -> None:
    story = shipped()
    story.facts = Facts(seller_paid=True, seller_owes=500_00)
    story.step(said.ConfirmDelivery(), ANNA)

    assert story.told[-3:] == ["PayoutStarted", "PayoutSent", "OrderCompleted"]


@pytest.mark.parametrize("parts", [(50_00, 100_00), (1, 149_99), (33_33, 33_33, 83_34)])
def test_many_refunds_take_back_what_one_would(parts: tuple[int, ...]) -> None:
    story = completed()
    for number, part in enumerate(parts):
        story.step(said.RefundOrder(amount=Minor(part)), MINA).step(refund_done_now(story, number)).pay_out()

    assert story.now.status == "refunded"
    assert sum(one.amount for one in story.now.reversals) == story.now.proceeds
    assert owed(story.now) == 0


def refund_done_now(story: Story, number: int) -> said.RecordRefund:
    return refund_done(story.now, number)


def test_a_refund_never_exceeds_what_is_left() -> None:
    story = paid().step(said.RefundOrder(amount=Minor(100_00)), MINA)

    decided = story.ask(said.RefundOrder(amount=Minor(50_01)), MINA)

    assert (decided.code, decided.answer["refundable"]) == ("refund_too_large", 50.0)
    assert story.ask(said.RefundOrder(amount=Minor(0)), MINA).code == "refund_too_large"


def test_a_failed_refund_may_be_asked_again() -> None:
    story = paid().step(said.RefundOrder(), MINA)
    story.step(refund_done(story.now, status="failed"))

    assert story.now.refundable == 150_00
    assert story.ask(said.RefundOrder(), MINA).outcome == "accepted"


def test_a_refund_of_the_dashboard_is_learnt_and_counts() -> None:
    story = paid()
    foreign = said.RecordRefund(provider_refund_id="re_x", amount=Minor(150_00), status="succeeded")

    story.step(foreign)

    assert story.now.status == "refunded"
    assert story.ask(foreign).outcome == "no_op"


def test_a_refund_while_the_payout_is_under_way_is_taken_back_when_it_arrived() -> None:
    story = delivered().step(said.RefundOrder(), MINA)
    assert story.told[-1] == "RefundStarted"

    story.pay_out()

    assert "ReversalStarted" in story.told
    assert owed(story.now) == 0


def test_a_reversal_that_fails_is_not_tried_for_ever() -> None:
    story = completed().step(said.RefundOrder(), MINA)
    [back] = story.now.reversals
    story.step(said.RecordReversal(reversal_id=back.id, failure="balance_insufficient"))

    assert story.told[-1] == "ReversalFailed"
    assert story.wake().outcome == "no_op"
    assert story.now.payouts[0].owing == back.amount


def test_a_lost_dispute_before_the_payout_leaves_nothing_to_pay() -> None:
    story = shipped().step(dispute("lost"))

    assert story.now.status == "refunded"
    assert owed(story.now) == 0
    assert "PayoutStarted" not in story.told


def test_a_dispute_heard_of_only_when_it_is_won_changes_nothing_in_the_end() -> None:
    story = shipped().step(dispute("won"))

    assert story.now.status == "shipped"
    assert story.ask(dispute("needs_response")).outcome == "no_op"


def test_an_enquiry_moves_nothing() -> None:
    assert paid().ask(dispute("warning_needs_response")).outcome == "no_op"


def test_nothing_is_refunded_while_the_bank_holds_it() -> None:
    assert paid().step(dispute()).ask(said.RefundOrder(), MINA).code == "wrong_state"


def test_a_complaint_is_settled_by_a_full_refund() -> None:
    story = disputed().step(said.RefundOrder(), MINA)
    story.step(refund_done(story.now))

    assert story.told[-2:] == ["OrderRefunded", "DisputeClosed"]
    assert story.now.open_dispute is None
    assert story.now.status == "refunded"


def test_the_platform_may_decide_for_the_buyer_who_may_not() -> None:
    assert disputed().ask(said.CloseCase(in_favour_of="buyer"), ANNA).code == "not_allowed"

    story = disputed().step(said.CloseCase(in_favour_of="buyer"), ADMIN)

    assert story.told[-2:] == ["DisputeClosed", "RefundStarted"]


def test_each_side_rates_once_and_only_what_arrived() -> None:
    assert shipped().ask(said.RateOrder(stars=5), ANNA).code == "not_completed"
    story = completed().step(said.RateOrder(stars=5), ANNA).step(said.RateOrder(stars=4), MINA)

    assert (story.now.buyer_stars, story.now.seller_stars) == (5, 4)
    assert story.ask(said.RateOrder(stars=1), ANNA).code == "already_rated"


def test_a_seller_who_is_never_onboarded_is_rated_all_the_same() -> None:
    story = EVERY_STATE["delivered"]()

    story.step(said.RateOrder(stars=1), ANNA).step(said.RateOrder(stars=5), MINA)

    assert story.now.status == "delivered"
    assert (story.now.buyer_stars, story.now.seller_stars) == (1, 5)


@pytest.mark.parametrize("state", sorted(EVERY_STATE.keys() - {"delivered", "completed"}))
def test_what_did_not_arrive_or_is_contested_or_went_back_is_not_rated(state: str) -> None:
    decided = EVERY_STATE[state]().ask(said.RateOrder(stars=1), ANNA)

    assert (decided.outcome, decided.code) == ("refused", "not_completed")


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (Facts(), "no_next_bidder"),
        (Facts(next_bidder=Bidder(UUID(EVE.id), 120_00, 1), sold_or_offered=True), "already_offered"),
        (Facts(next_bidder=Bidder(UUID(EVE.id), 120_00, 1)), "offered"),
    ],
)
def test_a_second_chance_needs_a_next_bidder_and_a_thing_that_is_free(facts: Facts, code: str) -> None:
    story = unpaid()
    story.facts = facts

    assert story.ask(said.OfferSecondChance(), MINA).code == code


def test_an_offer_runs_out() -> None:
    story = offered().later(3 * DAY)
    assert story.ask(said.AcceptOffer(), ANNA).code == "offer_expired"

    story.wake()

    assert (story.now.status, story.told[-1]) == ("lapsed", "OfferLapsed")


def test_an_offer_that_is_taken_begins_its_own_pay_window() -> None:
    story = offered().later(2 * DAY).step(said.AcceptOffer(), ANNA)

    assert (story.now.status, story.now.due_ms) == ("awaiting_payment", NOON + 6 * DAY)
    assert story.ask(said.AcceptOffer(), ANNA).outcome == "no_op"


def test_an_event_that_cannot_happen_to_an_order_is_a_bug() -> None:
    with pytest.raises(TypeError):
        evolve(opened().now, Told(said.PaymentMethodAsked(user_id=UUID(int=1))), NOON)


def test_nothing_happens_to_an_order_that_is_refunded() -> None:
    story = refunded()

    assert story.ask(said.ShipOrder(carrier="DHL"), MINA).code == "wrong_state"
    assert story.ask(said.DisputeOrder(reason="other"), ANNA).code == "wrong_state"


def test_a_debit_that_fails_while_the_order_ends_is_withdrawn_then() -> None:
    story = asked_to_pay().step(intent("processing")).later(4 * DAY)
    story.wake()
    assert story.ask(intent("processing")).outcome == "no_op"

    story.step(intent("requires_payment_method", decline_code="insufficient_funds", charge_id="ch_0"))
    assert story.told[-1] == "PaymentStopping"

    story.step(intent("canceled"))
    assert story.now.status == "unpaid"
