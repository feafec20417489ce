"""Fees, ledger and invoices: every cent is somewhere, and the same a year later."""

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.payments.comparing import yesterday_job
from consumers.payments.evolve import evolve
from consumers.payments.fees import share_of, split
from consumers.payments.invoices import invoices_of, render
from consumers.payments.ledger import ACCOUNTS, Entry, entries_of, realised
from consumers.payments.order import Order, Told
from schemas import payments as said
from schemas.money import Minor
from tests.consumers.payments.builders import (
    ANNA,
    MINA,
    SYSTEM,
    Story,
    completed,
    dispute,
    paid,
    refund_done,
    shipped,
    terms,
)

pytestmark = pytest.mark.quick

amounts = st.integers(1, 9_999_999_999)


@given(hammer=amounts, shipping=st.integers(0, 100_000), hammer_bps=st.integers(0, 5_000), tax=st.integers(0, 5_000))
def test_what_the_buyer_pays_is_shared_without_a_rest(hammer: int, shipping: int, hammer_bps: int, tax: int) -> None:
    shared = split(hammer=hammer, shipping=shipping, currency="USD", terms=terms(hammer_bps=hammer_bps, tax_bps=tax))

    assert shared.amount == shared.proceeds + shared.commission + shared.tax
    assert min(shared) >= 0


def test_the_default_fees_are_those_of_the_specification_of_the_market() -> None:
    shared = split(hammer=150_00, shipping=0, currency="USD", terms=terms())

    assert shared.commission == 12_00 + 4_35 + 30


@given(captured=amounts, parts=st.lists(st.integers(0, 100), max_size=8), whole=st.integers(0, 10**9))
def test_parts_of_a_whole_add_up(captured: int, parts: list[int], whole: int) -> None:
    returned = [captured * sum(parts[: n + 1]) // (sum(parts) or 1) for n in range(len(parts))]
    shares = [share_of(one, captured=captured, whole=whole) for one in returned]

    assert shares == sorted(shares)
    if any(parts):
        assert shares[-1] == whole


class Book(Story):
    """A story that keeps the ledger of it."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

    def balances(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for entry in self.entries:
            for posting in entry.postings:
                found[posting.account] += posting.amount
        return {account: amount for account, amount in found.items() if amount}


def book_of(told: list[Told], at_ms: int) -> Book:
    book, order = Book(), None
    for one in told:
        before: Order | None = order
        order = evolve(before, one, at_ms)
        book.entries += entries_of(before, order, one, UUID(int=order.sequence))
    book.order = order
    return book


def booked(story: Story) -> Book:
    """The ledger of a story, made by asking it all over."""
    return book_of(story.happened, story.at_ms)


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_is_even_in_the_end(won: bool) -> None:
    story = completed().step(dispute()).pay_out().step(dispute("won" if won else "lost")).pay_out()

    book = booked(story)

    assert all(sum(one.amount for one in entry.postings) == 0 for entry in book.entries)
    assert {posting.account for entry in book.entries for posting in entry.postings} <= set(ACCOUNTS)
    kept = {"provider_fees": 4_65 + 15_00}
    assert book.balances() == (
        {**kept, "provider": 150_00 - 133_35 - 19_65, "commission": -16_65} if won else {**kept, "provider": -19_65}
    )


def test_a_whole_refund_leaves_only_what_the_provider_keeps() -> None:
    story = completed().step(said.RefundOrder(), MINA)
    story.step(refund_done(story.now)).pay_out()

    assert booked(story).balances() == {"provider_fees": 4_65, "provider": -4_65}


def test_a_refund_that_the_bank_sends_back_is_booked_back() -> None:
    story = paid().step(said.RefundOrder(amount=Minor(50_00)), MINA)
    story.step(refund_done(story.now))
    before = booked(story).balances()
    story.step(refund_done(story.now, status="failed"))

    assert realised(story.now) == 0
    assert before["provider"] == 150_00 - 4_65 - 50_00
    assert booked(story).balances() == booked(paid()).balances()


def test_a_fee_that_is_known_later_is_booked_once() -> None:
    story = shipped()
    late = Story()
    late.order, late.happened = None, []
    for one in story.happened:
        if isinstance(one.event, said.OrderPaid):
            one = Told(one.event.model_copy(update={"provider_fee": None}), one.kept)
        late.order = evolve(late.order, one, late.at_ms)
        late.happened.append(one)
    known = said.RecordIntent(
        intent_id="pi_1", status="succeeded", received=Minor(150_00), charge_id="ch_1", provider_fee=Minor(465)
    )
    late.step(known, SYSTEM)

    assert late.ask(known, SYSTEM).outcome == "no_op"
    assert booked(late).balances() == booked(story).balances()


def test_invoices_come_out_the_same_a_year_later() -> None:
    first, second = invoices_of(paid().now), invoices_of(paid().now)

    assert first == second
    assert [one.party for one in first] == ["buyer", "seller"]
    assert all(one.pdf.startswith(b"%PDF-") for one in first)
    # Another digest means that invoices already issued would read otherwise if they were printed again.
    assert hashlib.sha256(render(SAMPLE)).hexdigest() == SAMPLE_DIGEST


def test_an_invoice_shows_how_its_total_comes_about() -> None:
    buyer, seller = invoices_of(paid().now)

    assert b"(150.00 USD)" in buyer.pdf
    assert b"(133.35 USD)" in seller.pdf
    assert ANNA.id.encode() in buyer.pdf


def test_letters_that_the_font_lacks_do_not_break_the_document() -> None:
    assert render({**SAMPLE, "title": "ライカ M3 📷 " * 20}).startswith(b"%PDF-")


def test_a_day_is_compared_by_one_job() -> None:
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)

    assert yesterday_job(noon) == yesterday_job(noon + timedelta(hours=3))
    assert yesterday_job(noon).payload == date(2026, 11, 26).isoformat().encode()


SAMPLE = {
    "number": "2026-B-0123456789ABCDEF",
    "issuer": "Video Marketplace",
    "issuedAt": "2026-11-26T12:00:00.000Z",
    "orderId": "0b9f7f1e-6a44-5c57-8a6e-5d8f0f6c2a11",
    "buyerId": "5b0c6f5e-4f0a-4a5b-8f38-6f1d2f7a9c02",
    "sellerId": "9a3e1d7c-2b46-4e0f-8c59-1e7b3a6d5f03",
    "title": "Leica M3 (1954)",
    "currency": "USD",
    "feeSchedule": "2026-1",
    "lines": [{"text": "Hammer price", "amount": "150.00"}],
    "total": "150.00",
}
SAMPLE_DIGEST = "756c52c0022ad01eb08b782f742be7bedefe4419c8c918cd4f5b894297c9763e"
