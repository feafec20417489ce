"""The proofs: what only one of the two books has is reported, and what the log does not explain is found."""

import uuid
from datetime import UTC, datetime

import pytest

from consumers.payments.comparing import Compared, compare_now
from consumers.payments.verify import verify
from tests.consumers.payments.till import Sale, Till

pytestmark = pytest.mark.stack

ENTER = "INSERT INTO payments.ledger_entry VALUES ($1, 'payout', $2, 'USD', $3, $4)"
AUTOMATIC = {"enabled": "true", "allow_redirects": "never"}
POST = "INSERT INTO payments.ledger_posting VALUES ($1, 0, 'provider', NULL, -100), ($1, 1, 'seller', $2, 100)"


async def compared(till: Till) -> Compared:
    return await compare_now(till.settings, datetime.now(UTC).date())


async def charge_of(till: Till, sale: Sale) -> str:
    charge: str = await till.db.fetchval("SELECT charge_id FROM payments.orders WHERE id = $1", sale.order_id)
    return charge


async def test_a_charge_that_the_ledger_does_not_know_is_reported(till: Till) -> None:
    sale = await till.paid(await till.sold())
    key = till.settings.stripe_secret_key
    assert key is not None
    form: dict[str, object] = {"amount": 777, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    form |= {f"automatic_payment_methods[{name}]": value for name, value in AUTOMATIC.items()}
    foreign = await till.stripe.post("/v1/payment_intents", data=form, auth=(key.get_secret_value(), ""))

    report = await compared(till)

    by_ref = {one.ref: one for one in report.differences}
    assert await charge_of(till, sale) not in by_ref
    stray = by_ref[foreign.json()["latest_charge"]]
    assert (stray.ours, stray.way, stray.currency) == (None, "in", "USD")
    kept = "SELECT differences::text FROM payments.reconciliation WHERE day = $1"
    assert stray.ref in await till.db.fetchval(kept, report.day)


async def test_a_movement_that_the_provider_does_not_know_is_reported(till: Till) -> None:
    sale = await till.paid(await till.sold())
    entry, ref = uuid.uuid4(), f"tr_{uuid.uuid4().hex}"
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    async with till.planted():
        await till.db.execute(ENTER, entry, sale.order_id, ref, now_ms)
        await till.db.execute(POST, entry, uuid.UUID(sale.seller.id))
    try:
        report = await compared(till)
    finally:
        async with till.planted():
            await till.db.execute("DELETE FROM payments.ledger_posting WHERE entry_id = $1", entry)
            await till.db.execute("DELETE FROM payments.ledger_entry WHERE entry_id = $1", entry)

    assert [(one.ours, one.theirs) for one in report.differences if one.ref == ref] == [(-100, None)]


async def test_an_order_that_its_log_does_not_explain_is_found(till: Till) -> None:
    sale = await till.paid(await till.sold())
    state = "SELECT state FROM payments.orders WHERE id = $1"
    before = await till.db.fetchval(state, sale.order_id)
    found: list[str] = []
    await till.db.execute(
        "UPDATE payments.orders SET state = jsonb_set(state, '{proceeds}', '1') WHERE id = $1", sale.order_id
    )
    try:
        await verify(till.settings, report=found.append)
    finally:
        await till.db.execute("UPDATE payments.orders SET state = $2 WHERE id = $1", sale.order_id, before)

    assert f"{sale.order_id}: not what its log says" in found


async def test_a_ledger_that_lacks_an_entry_is_found(till: Till) -> None:
    sale = await till.paid(await till.sold())
    found: list[str] = []
    async with till.planted():
        await till.db.execute(
            "UPDATE payments.ledger_posting SET amount = amount + 1 WHERE account = 'commission' AND entry_id IN"
            " (SELECT entry_id FROM payments.ledger_entry WHERE order_id = $1)",
            sale.order_id,
        )
        try:
            await verify(till.settings, report=found.append)
        finally:
            await till.db.execute(
                "UPDATE payments.ledger_posting SET amount = amount - 1 WHERE account = 'commission' AND entry_id IN"
                " (SELECT entry_id FROM payments.ledger_entry WHERE order_id = $1)",
                sale.order_id,
            )

    mine = [line for line in found if line.startswith(str(sale.order_id))]
    assert any("the ledger lacks payment" in line for line in mine)
    assert any("does not balance" in line for line in found)
