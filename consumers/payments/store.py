"""What payments keeps and reads in PostgreSQL."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from consumers.payments.facts import Bidder
from consumers.payments.invoices import Invoice
from consumers.payments.ledger import Entry
from consumers.payments.order import Order
from consumers.payments.person import Person
from consumers.runtime import Database, StateTable, Write
from schemas.payments import RecordProviderEvent

ORDERS: Final = StateTable(
    "orders",
    key=("id",),
    columns=(
        "auction_id",
        "offer_number",
        "payment_id",
        "buyer_id",
        "seller_id",
        "status",
        "intent_id",
        "charge_id",
        "held",
        "created_ms",
        "sequence",
        "state",
    ),
)
PEOPLE: Final = StateTable("person", key=("id",), columns=("account_id", "customer_id", "sequence", "state"))

_encode = msgspec.json.Encoder().encode
_order = msgspec.json.Decoder(Order).decode
_person = msgspec.json.Decoder(Person).decode


def order_row(order: Order) -> tuple[object, ...]:
    """The row of an order."""
    return (
        order.id,
        order.auction_id,
        order.offer_number,
        order.payment_id,
        order.buyer_id,
        order.seller_id,
        order.status,
        order.intent_id,
        order.charge_id,
        order.held,
        order.created_ms,
        order.sequence,
        _encode(order).decode(),
    )


def person_row(person: Person) -> tuple[object, ...]:
    """The row of a person."""
    return person.id, person.account_id, person.customer_id, person.sequence, _encode(person).decode()


LOAD_ORDERS = """
    SELECT state FROM orders WHERE id = ANY($1)
"""


async def load_orders(db: Database, ids: Collection[UUID]) -> dict[UUID, Order]:
    """Orders by id; those that are not there are absent."""
    found = [_order(row["state"]) for row in await db.fetch(LOAD_ORDERS, list(ids))]
    return {order.id: order for order in found}


async def load_order(db: Database, order_id: UUID) -> Order | None:
    """One order."""
    return (await load_orders(db, [order_id])).get(order_id)


ORDER_OF = """
    SELECT id FROM orders WHERE intent_id = $1 OR charge_id = $2 LIMIT 1
"""


async def order_of(db: Database, *, intent_id: str | None, charge_id: str | None) -> UUID | None:
    """The order that an intent or charge of the provider's pays for."""
    found: UUID | None = await db.fetchval(ORDER_OF, intent_id, charge_id)
    return found


LOAD_PEOPLE = """
    SELECT state FROM person WHERE id = ANY($1)
"""


async def load_people(db: Database, ids: Collection[UUID]) -> dict[UUID, Person]:
    """People by id; who is not known is absent."""
    found = [_person(row["state"]) for row in await db.fetch(LOAD_PEOPLE, list(ids))]
    return {person.id: person for person in found}


async def load_person(db: Database, user_id: UUID) -> Person:
    """One person, known or new."""
    return (await load_people(db, [user_id])).get(user_id) or Person(id=user_id)


PERSON_OF_ACCOUNT = """
    SELECT id FROM person WHERE account_id = $1
"""


async def person_of_account(db: Database, account_id: str) -> UUID | None:
    """Whose account at the provider it is."""
    found: UUID | None = await db.fetchval(PERSON_OF_ACCOUNT, account_id)
    return found


class Owing(NamedTuple):
    """What a seller owes in a currency, and the place that the next recovery takes."""

    amount: int
    place: int


DEBTS = """
    SELECT seller_id, currency, sum(amount)::bigint AS amount,
           (SELECT coalesce(sum(amount), 0)::bigint FROM recovery r
             WHERE r.seller_id = debt.seller_id AND r.currency = debt.currency) AS recovered,
           (SELECT count(*)::int FROM recovery r
             WHERE r.seller_id = debt.seller_id AND r.currency = debt.currency) AS place
      FROM debt WHERE seller_id = ANY($1) GROUP BY seller_id, currency
"""


async def load_debts(db: Database, sellers: Collection[UUID]) -> dict[tuple[UUID, str], Owing]:
    """What sellers owe, by seller and currency; who owes nothing is absent."""
    rows = await db.fetch(DEBTS, list(sellers))
    return {
        (row["seller_id"], row["currency"]): Owing(max(0, row["amount"] - row["recovered"]), row["place"])
        for row in rows
    }


ADD_DEBT = """
    INSERT INTO debt (reversal_id, seller_id, currency, amount) VALUES ($1, $2, $3, $4)
"""
RECOVER = """
    INSERT INTO recovery (seller_id, currency, place, payout_id, amount) VALUES ($1, $2, $3, $4, $5)
"""

NEXT_BIDDER = """
    SELECT bidder_id, amount,
           (SELECT max(offer_number) + 1 FROM orders WHERE auction_id = $1) AS offer_number
      FROM highest_bid b
     WHERE auction_id = $1 AND bidder_id <> $2
       AND NOT EXISTS (SELECT FROM orders o WHERE o.auction_id = b.auction_id AND o.buyer_id = b.bidder_id)
     ORDER BY amount DESC, bidder_id LIMIT 1
"""
STANDING = """
    SELECT EXISTS (SELECT FROM orders WHERE auction_id = $1 AND status NOT IN ('unpaid', 'cancelled', 'lapsed'))
"""


async def next_bidder(db: Database, order: Order) -> tuple[Bidder | None, bool]:
    """Who may be offered the thing next, and whether it is sold or offered to somebody already."""
    row = await db.fetchrow(NEXT_BIDDER, order.auction_id, order.seller_id)
    standing: bool = await db.fetchval(STANDING, order.auction_id)
    bidder = None if row is None else Bidder(row["bidder_id"], row["amount"], row["offer_number"])
    return bidder, standing


REMEMBER_EVENT = """
    INSERT INTO provider_event (id, type, object_id, order_id, account, created_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO NOTHING
"""


def remember_events(events: Iterable[RecordProviderEvent]) -> Write:
    """The write of what the provider told."""
    return Write(
        REMEMBER_EVENT,
        [(e.provider_event_id, e.provider_type, e.object_id, e.order_id, e.account, e.created) for e in events],
    )


ENTER = """
    INSERT INTO ledger_entry (entry_id, kind, order_id, currency, ref, at_ms) VALUES ($1, $2, $3, $4, $5, $6)
"""
POST = """
    INSERT INTO ledger_posting (entry_id, place, account, owner, amount) VALUES ($1, $2, $3, $4, $5)
"""


def book(entries: Sequence[tuple[Entry, int]]) -> list[Write]:
    """The writes of ledger entries, each with its time in milliseconds since 1970."""
    if not entries:
        return []
    rows = [(one.id, one.kind, one.order_id, one.currency, one.ref, at_ms) for one, at_ms in entries]
    postings = [
        (one.id, place, posting.account, posting.owner, posting.amount)
        for one, _ in entries
        for place, posting in enumerate(one.postings)
    ]
    return [Write(ENTER, rows), Write(POST, postings)]


LEAVE = """
    INSERT INTO secret AS s (id, kind, sealed, failure_code, failure_message, expires_at)
    VALUES ($1, $2, $3, $4, $5, to_timestamp($6::double precision))
        ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, failure_code = excluded.failure_code,
           failure_message = excluded.failure_message, expires_at = excluded.expires_at, created_at = now()
"""


def leave_secret(id_: UUID, kind: str, sealed: str, *, expires_at: int | None = None) -> Write:
    """What somebody waits for, sealed."""
    return Write(LEAVE, [(id_, kind, sealed, None, None, expires_at)])


def leave_failure(id_: UUID, kind: str, code: str, message: str | None = None) -> Write:
    """Why there will be nothing to wait for."""
    return Write(LEAVE, [(id_, kind, None, code, message, None)])


TAKE = """
    DELETE FROM secret WHERE id = $1
"""


def take_secrets(ids: Collection[UUID]) -> Write:
    """What an earlier intent left counts no more."""
    return Write(TAKE, [(one,) for one in ids])


NOTE_CALL = """
    INSERT INTO provider_call (job_id, attempt, errand, order_id, outcome, took_ms) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def note_call(
    db: Database, *, job_id: UUID, attempt: int, errand: str, order_id: UUID | None, outcome: str, took_ms: int
) -> None:
    """Keep what the provider answered to one attempt."""
    await db.execute(NOTE_CALL, job_id, attempt, errand, order_id, outcome, took_ms)


class Sold(NamedTuple):
    """An auction that sold, as its events told."""

    auction_id: UUID
    seller_id: UUID
    title: str
    currency: str
    shipping: int
    pay_window_s: int | None
    winner_id: UUID | None
    price: int | None


SOLD = """
    SELECT id, seller_id, title, currency, shipping, pay_window_s, winner_id, price FROM auction WHERE id = ANY($1)
"""


async def load_sold(db: Database, auction_ids: Collection[UUID]) -> list[Sold]:
    """What is known of auctions."""
    return [Sold(*row) for row in await db.fetch(SOLD, list(auction_ids))]


WAITING = """
    SELECT id FROM orders WHERE seller_id = $1 AND held IS NOT NULL
"""


async def waiting_for(db: Database, seller_id: UUID) -> list[UUID]:
    """Orders whose payout waits for their seller."""
    return [row["id"] for row in await db.fetch(WAITING, seller_id)]


KEEP_INVOICE = """
    INSERT INTO invoice (order_id, party, number, issued_ms, document, pdf) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
"""


def keep_invoices(invoices: Sequence[Invoice]) -> Write:
    """The write of invoices; one that stands stays as it is."""
    return Write(KEEP_INVOICE, invoices)


TO_LOOK_AT = """
    SELECT id FROM orders
     WHERE intent_id IS NOT NULL AND status IN ('awaiting_payment', 'paid') AND created_ms < $1
       AND (status = 'awaiting_payment' OR status = 'paid' AND state ->> 'provider_fee' IS NULL)
     ORDER BY md5(id::text || $2) LIMIT $3
"""


async def to_look_at(db: Database, round_id: UUID, *, before_ms: int, limit: int) -> list[UUID]:
    """Orders whose intent is open, and paid ones whose provider's fee is not known; others in each round, if there are many."""
    return [row["id"] for row in await db.fetch(TO_LOOK_AT, before_ms, str(round_id), limit)]


UNHEARD = """
    SELECT id FROM unnest($1::text[]) AS told (id) WHERE NOT EXISTS (SELECT FROM provider_event e WHERE e.id = told.id)
"""


async def unheard(db: Database, event_ids: Collection[str]) -> set[str]:
    """Which of the provider's events are not recorded."""
    return {row["id"] for row in await db.fetch(UNHEARD, list(event_ids))}


NOT_ONBOARDED = """
    SELECT id, account_id FROM person
     WHERE account_id IS NOT NULL AND NOT (state ->> 'payouts_enabled')::boolean
     ORDER BY md5(id::text || $1) LIMIT $2
"""


async def not_onboarded(db: Database, round_id: UUID, *, limit: int) -> list[tuple[UUID, str]]:
    """Sellers who cannot be paid yet, with their accounts; others in each round, if there are many."""
    return [(row["id"], row["account_id"]) for row in await db.fetch(NOT_ONBOARDED, str(round_id), limit)]
