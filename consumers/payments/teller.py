"""Tells ourselves what is due: orders of sold auctions, offers, the time that an order waited for, a seller who can be paid now."""

import uuid
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from consumers.payments import effects, store
from consumers.payments.effects import read_errand
from consumers.payments.invoices import invoices_of
from consumers.payments.store import Sold
from consumers.payments.tools import command
from consumers.runtime import Claimed, Database, Done, GiveUp, OutCommand
from schemas import payments as said
from schemas.envelope import parse_time, time_ms
from schemas.money import Minor
from schemas.payments import Terms, order_id_of


class Schedule(NamedTuple):
    """The fees and times that orders are opened under from now on."""

    version: str
    hammer_bps: int
    payment_bps: int
    payment_fixed: int
    tax_bps: int
    pay_window_s: int
    complete_after_s: int

    def terms(self, pay_window_s: int | None) -> Terms:
        """As an order keeps them; an auction may name a pay window of its own."""
        return Terms(
            version=self.version,
            hammer_bps=self.hammer_bps,
            payment_bps=self.payment_bps,
            payment_fixed=Minor(self.payment_fixed),
            tax_bps=self.tax_bps,
            pay_window_s=pay_window_s or self.pay_window_s,
            complete_after_s=self.complete_after_s,
        )


class Teller:
    """Does the errands that need no provider."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._known: Database | None = None

    async def open(self, db: Database) -> None:
        """Take the worker's database; before the first errand."""
        self._known = db

    @property
    def _db(self) -> Database:
        assert self._known is not None
        return self._known

    async def act(self, job: Claimed) -> Done:
        """Do one errand."""
        match read_errand(job.payload):
            case effects.OpenSold(auction_ids):
                return Done(commands=[self._opening(one) for one in await store.load_sold(self._db, auction_ids)])
            case effects.OpenOffer() as offer:
                return Done(commands=[await self._offer(offer)])
            case effects.Wake(order_id, wake_at):
                return Done(commands=[wake(order_id, parse_time(wake_at))])
            case effects.Release(user_id):
                waiting = await store.waiting_for(self._db, user_id)
                return Done(commands=[wake(order_id, time_ms(), why=job.id) for order_id in waiting])
            case effects.ForgetPerson(user_id):
                return Done(commands=[command(job.id, user_id, said.ForgetPayer())])
            case effects.Bill(order_id):
                return await self._bill(order_id)
            case errand:
                raise GiveUp(f"{type(errand).__name__} is no errand of the teller's")

    def _opening(self, sold: Sold) -> OutCommand:
        assert sold.winner_id is not None
        assert sold.price is not None
        return _open(sold, self._schedule.terms(sold.pay_window_s), number=0, buyer=sold.winner_id, price=sold.price)

    async def _offer(self, offer: effects.OpenOffer) -> OutCommand:
        order = await store.load_order(self._db, offer.order_id)
        assert order is not None
        [sold] = await store.load_sold(self._db, [order.auction_id])
        terms = self._schedule.terms(sold.pay_window_s)
        return _open(
            sold, terms, number=offer.offer_number, buyer=offer.buyer_id, price=offer.amount, offer_days=offer.days
        )

    async def _bill(self, order_id: UUID) -> Done:
        order = await store.load_order(self._db, order_id)
        assert order is not None
        return Done([store.keep_invoices(invoices_of(order))])


def _open(
    sold: Sold, terms: Terms, *, number: int, buyer: UUID, price: int, offer_days: int | None = None
) -> OutCommand:
    order_id = order_id_of(sold.auction_id, number)
    told = said.OpenOrder(
        auction_id=sold.auction_id,
        offer_number=number,
        buyer_id=buyer,
        seller_id=sold.seller_id,
        title=sold.title,
        hammer_price=Minor(price),
        shipping_cost=Minor(sold.shipping),
        currency=sold.currency,
        terms=terms,
        offer_days=offer_days,
    )
    # One id whatever the settings are by now: the first one heard opens the order.
    return command(order_id, order_id, told)._replace(id=uuid.uuid5(order_id, "open"))


def wake(order_id: UUID, wake_ms: int, *, why: UUID | None = None) -> OutCommand:
    """What wakes an order at its time, or now because of something else."""
    at = datetime.fromtimestamp(wake_ms / 1000, UTC)
    return command(why or order_id, order_id, said.WakeOrder(wake_at=at))
