"""What one batch knows: read before it is decided, changed as it is decided; the difference is what is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from consumers.payments import store
from consumers.payments.facts import Bidder, Facts
from consumers.payments.ledger import Entry
from consumers.payments.order import Order
from consumers.payments.person import Person
from consumers.payments.store import Owing
from consumers.runtime import Database, Incoming, Job
from schemas import payments as said

ABOUT_PEOPLE = (
    said.StartOnboarding
    | said.SavePaymentMethod
    | said.RemovePaymentMethod
    | said.SetAutomaticPayment
    | said.RecordAccount
    | said.RecordPayer
    | said.ForgetPayer
)
"""Commands whose key is a person's id."""


@dataclass
class Known:
    """The orders and people of a batch, and what their decisions make."""

    orders: dict[UUID, Order]
    people: dict[UUID, Person]
    debts: dict[tuple[UUID, str], Owing]
    next_bidders: dict[UUID, tuple[Bidder | None, bool]]
    changed_orders: set[UUID] = field(default_factory=set)
    changed_people: set[UUID] = field(default_factory=set)
    entries: list[tuple[Entry, int]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    heard: list[said.RecordProviderEvent] = field(default_factory=list)
    stale_secrets: list[UUID] = field(default_factory=list)
    """Payments that begin anew: what their last intent left counts no more."""
    new_debts: list[tuple[UUID, UUID, str, int]] = field(default_factory=list)
    recoveries: list[tuple[UUID, str, int, UUID, int]] = field(default_factory=list)

    def facts(self, order: Order | None, body: object) -> Facts:
        """What the decision about an order looks at."""
        if order is None:
            return self._of_buyer(body.buyer_id) if isinstance(body, said.OpenOrder) else Facts()
        seller = self.people.get(order.seller_id)
        buyer = self._of_buyer(order.buyer_id)
        owing = self.debts.get((order.seller_id, order.currency))
        bidder, standing = self.next_bidders.get(order.id, (None, False))
        return Facts(
            seller_paid=seller is not None and seller.payouts_enabled,
            seller_owes=owing.amount if owing else 0,
            saved_method=buyer.saved_method,
            methods=buyer.methods,
            automatic=buyer.automatic,
            next_bidder=bidder,
            sold_or_offered=standing,
        )

    def _of_buyer(self, buyer_id: UUID) -> Facts:
        buyer = self.people.get(buyer_id)
        if buyer is None or not buyer.methods:
            return Facts()
        methods = frozenset(one.id for one in buyer.methods)
        return Facts(saved_method=buyer.methods[-1].id, methods=methods, automatic=buyer.automatic)

    def owe(self, order: Order, reversal_id: UUID, amount: int) -> None:
        """A seller kept what was to come back."""
        self.new_debts.append((reversal_id, order.seller_id, order.currency, amount))

    def recover(self, order: Order, payout_id: UUID, amount: int) -> None:
        """A payout was cut by what its seller owes."""
        key = order.seller_id, order.currency
        owing = self.debts[key]
        self.recoveries.append((*key, owing.place, payout_id, amount))
        self.debts[key] = Owing(owing.amount - amount, owing.place + 1)


async def know(batch: Sequence[Incoming], db: Database) -> Known:
    """Read what the commands of a batch need."""
    about_orders = {i.aggregate for i in batch if not isinstance(i.body, ABOUT_PEOPLE | said.RecordProviderEvent)}
    orders = await store.load_orders(db, about_orders) if about_orders else {}
    sellers = {order.seller_id for order in orders.values()}
    people = {i.aggregate for i in batch if isinstance(i.body, ABOUT_PEOPLE)} | sellers
    people |= {order.buyer_id for order in orders.values()}
    people |= {i.body.buyer_id for i in batch if isinstance(i.body, said.OpenOrder)}
    offers = {i.aggregate for i in batch if isinstance(i.body, said.OfferSecondChance)} & orders.keys()
    return Known(
        orders=orders,
        people=await store.load_people(db, people) if people else {},
        debts=await store.load_debts(db, sellers) if sellers else {},
        next_bidders={one: await store.next_bidder(db, orders[one]) for one in offers},
    )
