"""Letters about orders: who is written to, what they are told, and that nothing a person typed becomes a link."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.notifications.compose import Undeliverable
from consumers.notifications.order_letters import OrderLetter, jobs_of, write
from consumers.notifications.order_words import OCCASIONS, words
from consumers.runtime import Incoming
from schemas.registry import BY_NAME
from schemas.release import SAMPLES

pytestmark = pytest.mark.quick

ORDER, ANNA, MINA = uuid4(), uuid4(), uuid4()
BOTH = {"buyer", "seller"}
WRITTEN_TO = {
    "OrderCreated": BOTH,
    "SecondChanceOffered": {"buyer"},
    "OfferAccepted": {"seller"},
    "OfferLapsed": {"seller"},
    "PaymentReminded": {"buyer"},
    "PaymentDeclined": {"buyer"},
    "PaymentActionRequired": {"buyer"},
    "OrderPaid": BOTH,
    "OrderUnpaid": BOTH,
    "StrikeLifted": {"buyer"},
    "OrderCancelled": BOTH,
    "OrderShipped": {"buyer"},
    "OrderDelivered": {"seller"},
    "OrderRefunded": BOTH,
    "DisputeOpened": {"seller"},
    "DisputeClosed": BOTH,
    "PayoutHeld": {"seller"},
    "PayoutSent": {"seller"},
}


def happened(kind: str, **changes: Any) -> Incoming:
    """An event of Anna's order from Mina, after the sample that was released."""
    [path] = [path for path in Path(SAMPLES).glob("*.json") if path.stem.startswith(BY_NAME[kind].ce_type + ".")]
    facts = {
        "orderId": str(ORDER),
        "buyerId": str(ANNA),
        "sellerId": str(MINA),
        "title": "Brass lamp",
        "offSession": True,
        "amount": 222.5,
    }
    data = {**json.loads(path.read_text())["data"], **facts, **changes}
    return Incoming(
        topic="payment-events",
        partition=0,
        offset=0,
        at_ms=0,
        key=str(ORDER).encode(),
        type=kind,
        id=UUID(int=7),
        aggregate=ORDER,
        body=BY_NAME[kind].model.model_validate(data),
        value=b"",
        headers={},
        sequence=1,
    )


def letters(kind: str, **changes: Any) -> dict[str, OrderLetter]:
    """The letters that an event calls for, by side."""
    found = [OrderLetter.model_validate_json(job.payload) for job in jobs_of(happened(kind, **changes))]
    return {letter.side: letter for letter in found}


@pytest.mark.parametrize("kind", OCCASIONS)
def test_an_event_is_written_to_the_sides_that_it_concerns(kind: str) -> None:
    found = letters(kind)

    assert set(found) == WRITTEN_TO[kind]
    for side, letter in found.items():
        mail = write(letter, to="someone@example.org", username="someone")
        assert letter.user_id == {"buyer": ANNA, "seller": MINA}[side]
        assert "Brass lamp" in mail.subject
        assert str(ORDER) in mail.text
        assert "{" not in mail.subject + mail.text
        assert mail.subject.partition(":")[0] in mail.html


def test_what_is_to_be_paid_stands_in_the_winner_s_letter_as_an_amount() -> None:
    mail = write(letters("OrderCreated")["buyer"], to="anna@example.org", username="anna")

    assert "222.50 USD" in mail.text
    assert "Hello anna," in mail.text


def test_a_declined_card_that_its_owner_saw_is_not_written_about() -> None:
    assert letters("PaymentDeclined", offSession=False) == {}


def test_a_repeated_event_finds_its_jobs_standing() -> None:
    first, again = (sorted(job.id for job in jobs_of(happened("OrderPaid"))) for _ in range(2))

    assert first == again
    assert len(set(first)) == 2


@pytest.mark.parametrize(
    "title",
    [
        "free-phone.example now",
        "<script>alert(1)</script>",
        "https://evil.example/pay",
        "lamp\r\nBcc: everybody@example.org",
        "{title} {0} %s",
    ],
)
def test_a_title_smuggles_nothing_into_a_letter(title: str) -> None:
    mail = write(letters("OrderPaid", title=title)["buyer"], to="anna@example.org", username="anna.example")

    assert "<script>" not in mail.html
    assert "\n" not in mail.subject
    assert not any(word in mail.text + mail.html for word in ("free-phone.example", "evil.example", "anna.example,"))
    assert "https://" not in mail.text + mail.html


def test_a_reason_that_a_seller_typed_is_no_link_either() -> None:
    mail = write(
        letters("OrderCancelled", reason="see pay.example for more")["buyer"], to="a@example.org", username="a"
    )

    assert "pay.example" not in mail.text + mail.html


def test_an_address_that_is_none_is_not_written_to() -> None:
    with pytest.raises(Undeliverable):
        write(letters("OrderPaid")["buyer"], to="anna@example.org, ben@example.org", username="anna")


def test_nobody_is_written_about_what_concerns_the_ledger_alone() -> None:
    event = happened("ProviderFeeKnown").body

    assert words(event, "buyer") is None
    assert words(event, "seller") is None
