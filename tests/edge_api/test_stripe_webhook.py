"""Stripe's events: who is believed, what the worker hears of them, and that nothing personal goes on."""

import json
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from edge_api.bodies import written
from edge_api.stripe_signature import TOLERANCE_S, BadSignature, sign, verify
from producers.commands import Unavailable
from schemas.payments import RecordProviderEvent, provider_event_command_id, provider_key_of
from tests.edge_api.doorway import ANNA, NEXT_WEBHOOK_SECRET, WEBHOOK_SECRET, Doorway

pytestmark = pytest.mark.quick

ORDER = uuid4()
WEBHOOK = "/payments/webhook"
NOW = 1_772_391_871
BODY = b'{"id":"evt_1","type":"payment_intent.succeeded"}'
OLD, NEW = b"whsec_old", b"whsec_new"
RIGHT = sign(BODY, secret=OLD, at_s=NOW).partition("v1=")[2]


def event(**about: Any) -> dict[str, Any]:
    """An event with all that Stripe tells of a person."""
    return {
        "id": "evt_1P0",
        "object": "event",
        "api_version": "2023-10-16",
        "type": "payment_intent.succeeded",
        "created": NOW,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "data": {
            "object": {
                "id": "pi_1P0",
                "object": "payment_intent",
                "status": "succeeded",
                "metadata": {"order_id": str(ORDER), "user_id": str(ANNA)},
                "shipping": {"name": "Anna Liddell", "address": {"line1": "Linzer Gasse 4"}},
                "receipt_email": "anna@example.org",
                "latest_charge": "ch_1P0",
                **about,
            }
        },
    }


async def send(doorway: Doorway, said: Any, *, secret: str = WEBHOOK_SECRET, age_s: int = 0) -> httpx.Response:
    """Send an event as Stripe does."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    header = sign(body, secret=secret.encode(), at_s=int(time.time()) - age_s)
    async with doorway.client() as client:
        return await client.post(
            WEBHOOK,
            content=body,
            headers={"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"},
        )


@pytest.mark.parametrize("secret", [WEBHOOK_SECRET, NEXT_WEBHOOK_SECRET])
async def test_an_event_is_appended_to_its_order_and_answered_while_either_secret_signs(
    doorway: Doorway, secret: str
) -> None:
    answer = await send(doorway, event(), secret=secret)

    [command] = doorway.workers.asked
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert (command.message.name, command.aggregate) == ("RecordProviderEvent", ORDER)
    assert command.command_id == provider_event_command_id("evt_1P0")
    assert (command.actor.id, command.actor.is_system) == ("stripe", True)
    told = doorway.workers.data
    assert (told["providerType"], told["objectId"], told["chargeId"]) == (
        "payment_intent.succeeded",
        "pi_1P0",
        "ch_1P0",
    )


async def test_nothing_of_the_person_goes_on(doorway: Doorway) -> None:
    await send(doorway, event())

    [command] = doorway.workers.asked
    assert not any(word in command.data for word in (b"Liddell", b"Linzer", b"example.org"))


@pytest.mark.parametrize(
    "about", [{}, {"metadata": {}, "object": "dispute", "charge": "ch_2"}, {"metadata": {"user_id": str(ANNA)}}]
)
async def test_what_the_worker_hears_is_what_the_model_would_write(doorway: Doorway, about: dict[str, Any]) -> None:
    await send(doorway, event(**about) | {"account": "acct_1"})

    [command] = doorway.workers.asked
    assert json.loads(written(RecordProviderEvent.model_validate_json(command.data))) == json.loads(command.data)


async def test_the_same_event_is_the_same_command_and_another_event_another(doorway: Doorway) -> None:
    for said in (event(), event(), {**event(), "id": "evt_1P1"}):
        await send(doorway, said)

    first, again, other = (command.command_id for command in doorway.workers.asked)
    assert first == again != other


async def test_what_is_about_no_order_goes_to_its_person_or_to_the_object_s_own_place(doorway: Doorway) -> None:
    await send(doorway, event(object="account", id="acct_1", metadata={"user_id": str(ANNA)}))
    await send(doorway, event(object="dispute", id="dp_1", metadata={}, payment_intent="pi_7", charge={"id": "ch_7"}))
    await send(doorway, event(object="payout", id="po_1", metadata={"order_id": "not-an-id"}))

    account, dispute, payout = (command.aggregate for command in doorway.workers.asked)
    assert account == ANNA
    assert (dispute, payout) == (provider_key_of("dp_1"), provider_key_of("po_1"))
    assert json.loads(doorway.workers.asked[1].data)["paymentIntentId"] == "pi_7"
    assert json.loads(doorway.workers.asked[1].data)["chargeId"] == "ch_7"


async def test_an_event_that_could_not_be_appended_is_sent_again_by_stripe(doorway: Doorway) -> None:
    doorway.workers.says = lambda _command: Unavailable("Kafka does not answer", 7)

    answer = await send(doorway, event())

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


async def test_an_old_event_with_a_good_signature_is_not_replayed(doorway: Doorway) -> None:
    answer = await send(doorway, event(), age_s=TOLERANCE_S + 5)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")
    assert doorway.workers.asked == []


async def test_an_event_of_the_other_mode_is_refused(doorway: Doorway) -> None:
    answer = await send(doorway, {**event(), "livemode": True})

    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_mode")
    assert doorway.workers.asked == []


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"\xff", b'{"id":"","type":"x","created":1,"livemode":false,"data":{"object":{}}}', b"nonsense"],
)
async def test_what_is_signed_but_no_event_is_refused_and_reaches_no_topic(doorway: Doorway, body: bytes) -> None:
    answer = await send(doorway, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert doorway.workers.asked == []


async def test_stripe_is_not_kept_out_by_the_limits_for_people() -> None:
    doorway = Doorway(limit_payments_per_minute=1, limit_per_address_per_hour=1)

    answers = [(await send(doorway, {**event(), "id": f"evt_{number}"})).status_code for number in range(5)]

    assert answers == [200] * 5


FORGED: dict[str, str | None] = {
    "no header": None,
    "empty": "",
    "only a time": f"t={NOW}",
    "only a signature": f"v1={RIGHT}",
    "another body's": f"t={NOW},v1={'0' * 64}",
    "unsigned scheme": f"t={NOW},v0={RIGHT}",
    "in capitals": f"t={NOW},v1={RIGHT.upper()}",
    "cut short": f"t={NOW},v1={RIGHT[:-1]}",
    "one digit more": f"t={NOW},v1={RIGHT}0",
    "the time moved": f"t={NOW + 1},v1={RIGHT}",
    "two times": f"t={NOW},t={NOW},v1={RIGHT}",
    "a time with a sign": f"t=+{NOW},v1={RIGHT}",
    "a time with zeros before": f"t=0{NOW},v1={RIGHT}",
    "a time in words": f"t=now,v1={RIGHT}",
    "a time that is no integer": f"t={NOW}.0,v1={RIGHT}",
    "a time in another script": f"t=١٧٧٢٣٩١٨٧١,v1={RIGHT}",
    "without a comma": f"t={NOW}v1={RIGHT}",
    "too long": f"t={NOW},v1={RIGHT}," + "x" * 2_048,
    "a crowd of signatures": f"t={NOW}," + ",".join([f"v1={RIGHT}"] * 17),
    "no hexadecimal": f"t={NOW},v1={'g' * 64}",
}


@pytest.mark.parametrize("header", FORGED.values(), ids=FORGED.keys())
def test_a_forged_signature_is_not_believed(header: str | None) -> None:
    with pytest.raises(BadSignature):
        verify(header, BODY, secrets=(OLD, NEW), now_s=NOW)


@pytest.mark.parametrize("bit", range(0, len(BODY) * 8, 37))
def test_one_bit_of_the_body_is_enough_to_be_caught(bit: int) -> None:
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadSignature, match="no signature fits"):
        verify(sign(BODY, secret=OLD, at_s=NOW), bytes(changed), secrets=(OLD,), now_s=NOW)


@pytest.mark.parametrize("away_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1, 86_400])
def test_a_signature_of_another_time_is_not_believed(away_s: int) -> None:
    with pytest.raises(BadSignature, match="too long ago, or in the future"):
        verify(sign(BODY, secret=OLD, at_s=NOW), BODY, secrets=(OLD,), now_s=NOW + away_s)


def test_any_of_several_signatures_may_fit_any_secret() -> None:
    wrong, right = "1" * 64, sign(BODY, secret=NEW, at_s=NOW).partition("v1=")[2]

    for header in (f"t={NOW},v1={wrong},v1={right},v0={wrong}", f"t={NOW},v1={right},v1={wrong}"):
        assert verify(header, BODY, secrets=(OLD, NEW), now_s=NOW + TOLERANCE_S) == NOW


def test_a_secret_of_nobody_signs_for_nobody() -> None:
    with pytest.raises(BadSignature):
        verify(sign(BODY, secret=b"", at_s=NOW), BODY, secrets=(OLD,), now_s=NOW)


@given(st.text(max_size=200))
def test_whatever_the_header_says_it_is_refused_and_never_a_crash(header: str) -> None:
    with pytest.raises(BadSignature):
        verify(header, BODY, secrets=(OLD,), now_s=NOW)


@given(
    body=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    secret=st.from_regex(r"whsec_[A-Za-z0-9]{4,40}"),
)
def test_what_we_sign_the_sdk_believes(body: str, secret: str) -> None:
    now = int(time.time())
    header = sign(body.encode(), secret=secret.encode(), at_s=now)

    assert stripe.WebhookSignature.verify_header(body, header, secret, tolerance=TOLERANCE_S)
    assert verify(header, body.encode(), secrets=(secret.encode(),), now_s=now) == now
