"""Which event calls for which job: the same one, by its id, each time it is decided."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from consumers.payments import effects
from consumers.payments.effects import jobs_of, look_for, read_errand, wake_job
from consumers.payments.order import Told
from consumers.runtime import Job
from schemas import payments as said
from tests.consumers.payments.builders import (
    ANNA,
    DAY,
    MINA,
    NOON,
    Story,
    asked_to_pay,
    completed,
    opened,
    paid,
    unpaid,
)

pytestmark = pytest.mark.quick

COMMAND = UUID(int=7)


def jobs(told: Told, number: int = 1) -> list[Job]:
    return list(jobs_of(told, event_id=uuid5(COMMAND, str(number)), command_id=COMMAND))


def last(story: Story) -> Told:
    return story.happened[-1]


def test_what_is_made_at_the_provider_has_the_id_of_its_job() -> None:
    refund = paid().step(said.RefundOrder(), MINA)
    [job] = jobs(last(refund))
    assert job.id == refund.now.refunds[0].id

    back = completed().step(said.RefundOrder(), MINA)
    [job] = jobs(last(back))
    assert (job.id, type(read_errand(job.payload))) == (back.now.reversals[0].id, effects.TakeBack)


def test_the_first_payout_comes_out_of_the_charge() -> None:
    told = next(one for one in completed().happened if isinstance(one.event, said.PayoutStarted))

    [job] = jobs(told)

    assert read_errand(job.payload) == effects.PayOut(completed().now.id, 133_35, first=True)


def test_an_intent_that_is_not_made_yet_cannot_be_withdrawn_yet() -> None:
    creating = (
        opened()
        .step(said.CreateIntent.model_validate({"amount": 150, "currency": "USD", "shipping_sealed": "v1.s"}), ANNA)
        .step(said.CancelOrder(reason="It broke."), MINA)
    )
    assert jobs(last(creating)) == []

    standing = asked_to_pay().step(said.CancelOrder(reason="It broke."), MINA)
    [job] = jobs(last(standing))
    assert read_errand(job.payload) == effects.WithdrawIntent(standing.now.id, "pi_1")


def test_an_order_is_woken_at_each_of_its_times_once() -> None:
    story = opened()
    [first] = wake_job(story.now, None, NOON)
    assert first.delay_s == 2 * DAY / 1000

    before = story.now
    story.step(said.CreateIntent.model_validate({"amount": 150, "currency": "USD", "shipping_sealed": "v1.s"}), ANNA)
    assert list(wake_job(story.now, before, story.at_ms)) == []

    assert list(wake_job(unpaid().now, opened().now, NOON)) == []


def test_a_seller_who_can_be_paid_releases_what_waits_twice() -> None:
    ready = said.SellerAccountChanged(
        user_id=UUID(MINA.id),
        details_submitted=True,
        charges_enabled=True,
        payouts_enabled=True,
        observed_at=datetime(2026, 11, 26, tzinfo=UTC),
    )

    now, later = jobs(Told(ready, {"account": "acct_1"}))

    assert (now.delay_s, later.delay_s) == (0, effects.RELEASE_AGAIN_S)
    assert now.id != later.id


def provider_event(**changes: Any) -> said.RecordProviderEvent:
    return said.RecordProviderEvent.model_validate(
        {
            "provider_event_id": "evt_1",
            "provider_type": "payment_intent.succeeded",
            "object_type": "payment_intent",
            "object_id": "pi_1",
            "created": datetime(2026, 11, 26, tzinfo=UTC),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("event", "errand"),
    [
        (provider_event(), effects.LookAtOrder(intent_id="pi_1")),
        (
            provider_event(object_type="charge", object_id="ch_1", payment_intent_id="pi_1"),
            effects.LookAtOrder(intent_id="pi_1", charge_id="ch_1"),
        ),
        (
            provider_event(object_type="dispute", object_id="dp_1", charge_id="ch_1"),
            effects.LookAtOrder(charge_id="ch_1", dispute_id="dp_1"),
        ),
        (provider_event(object_type="account", object_id="acct_1"), effects.LookAtAccount("acct_1")),
    ],
)
def test_an_event_of_the_provider_is_only_a_hint_to_look(
    event: said.RecordProviderEvent, errand: effects.Errand
) -> None:
    [job] = look_for(event, COMMAND)

    assert read_errand(job.payload) == errand
    assert list(look_for(event, COMMAND)) == [job]


@pytest.mark.parametrize(
    "event",
    [
        provider_event(provider_type="plan.created", object_type="plan", object_id="plan_1"),
        provider_event(object_type=None, object_id=None),
        provider_event(
            object_type="setup_intent", object_id="seti_1", user_id=uuid4(), provider_type="setup_intent.created"
        ),
    ],
)
def test_what_is_of_no_interest_calls_for_nothing(event: said.RecordProviderEvent) -> None:
    assert list(look_for(event, COMMAND)) == []
