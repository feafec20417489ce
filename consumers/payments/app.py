"""Which topics payments takes, and who does its jobs."""

from collections.abc import Sequence
from pathlib import Path

from compose.settings import Settings
from consumers.payments import effects, learning, metrics
from consumers.payments.cashier import Cashier
from consumers.payments.comparing import COMPARE, Comparing
from consumers.payments.desk import PaymentsDesk
from consumers.payments.gateway import Stripe
from consumers.payments.learning import Auctions, Leavers
from consumers.payments.reconciler import RECONCILE, Reconciler
from consumers.payments.store import ORDERS, PEOPLE
from consumers.payments.teller import Schedule, Teller
from consumers.runtime import Database, Inbox, JobRunner, emits, takes
from consumers.runtime.worker import Worker
from schemas.registry import MESSAGES
from schemas.sealed import TopicSeal
from topics.catalog import AUCTION_EVENTS, PAYMENT_COMMANDS, PAYMENT_EVENTS, USER_EVENTS

LEASE_S = 15.0
"""How long the errand of a runner that died waits for the next one; a living one renews it."""
ATTEMPTS_MAX = 200
"""With delays of up to ten minutes, more than a day: a provider that is away for less loses nothing."""
LOOKS_MAX = 40
"""What belongs to nobody of ours is looked at for some hours."""
CALLER_WAITS_S = 60.0


def build(settings: Settings) -> Worker:
    """The worker as one process runs it."""
    assert settings.stripe_secret_key is not None
    gateway = Stripe(
        secret_key=settings.stripe_secret_key.get_secret_value(),
        api_url=str(settings.stripe_api_base),
        api_version=settings.stripe_api_version,
    )
    cashier = Cashier(gateway=gateway, seal=TopicSeal(settings.keys_of_seals), public_url=str(settings.public_url))
    teller = Teller(schedule_of(settings))
    reconciler = Reconciler(gateway, every_s=settings.reconcile_every_s)

    comparing = Comparing(gateway)

    async def before(db: Database) -> None:
        for one in (cashier, teller, reconciler, comparing):
            await one.open(db)

    return Worker(
        name="payments",
        schema="payments",
        sql=Path(__file__).parent,
        inboxes=[
            Inbox(
                topic=PAYMENT_COMMANDS.name,
                group="payment-processors",
                takes=takes(*(one.name for one in MESSAGES if one.topic == PAYMENT_COMMANDS.name)),
                emits=emits(*(one.name for one in MESSAGES if one.topic == PAYMENT_EVENTS.name)),
                events_topic=PAYMENT_EVENTS.name,
                make_desk=lambda _partition: PaymentsDesk(),
                state=ORDERS,
                beside=PEOPLE,
                after_commit=metrics.count,
            ),
            Inbox(
                topic=AUCTION_EVENTS.name,
                group="payment-processors-auctions",
                takes=takes(**learning.READERS),
                make_desk=lambda _partition: Auctions(),
                commands=False,
            ),
            Inbox(
                topic=USER_EVENTS.name,
                group="payment-processors-users",
                takes=takes("UserErased"),
                make_desk=lambda _partition: Leavers(),
                commands=False,
            ),
        ],
        runners=runners(cashier, teller, reconciler, comparing),
        before=before,
        after=cashier.close,
    )


def runners(cashier: Cashier, teller: Teller, reconciler: Reconciler, comparing: Comparing) -> Sequence[JobRunner]:
    """Each kind of job has its own, so that a flood of one holds up no other."""
    return [
        JobRunner(
            kind=effects.PAY,
            act=cashier.act,
            gave_up=cashier.gave_up,
            concurrency=16,
            lease_s=LEASE_S,
            attempts_max=ATTEMPTS_MAX,
            first_delay_s=0.2,
            longest_delay_s=CALLER_WAITS_S,
        ),
        JobRunner(
            kind=effects.MOVE,
            first_delay_s=0.3,
            act=cashier.act,
            gave_up=cashier.gave_up,
            concurrency=8,
            lease_s=LEASE_S,
            attempts_max=ATTEMPTS_MAX,
        ),
        JobRunner(kind=effects.LOOK, act=cashier.act, concurrency=8, lease_s=LEASE_S, attempts_max=LOOKS_MAX),
        JobRunner(kind=effects.TELL, act=teller.act, concurrency=16, lease_s=LEASE_S, attempts_max=ATTEMPTS_MAX),
        JobRunner(
            kind=RECONCILE,
            act=reconciler.act,
            gave_up=reconciler.gave_up,
            concurrency=1,
            lease_s=4 * LEASE_S,
            attempts_max=5,
        ),
        JobRunner(kind=COMPARE, act=comparing.act, concurrency=1, lease_s=4 * LEASE_S, attempts_max=ATTEMPTS_MAX),
    ]


def schedule_of(settings: Settings) -> Schedule:
    """The fees and times that orders are opened under from now on."""
    return Schedule(
        version=settings.fee_version,
        hammer_bps=settings.fee_hammer_bps,
        payment_bps=settings.fee_payment_bps,
        payment_fixed=settings.fee_payment_fixed_minor,
        tax_bps=settings.tax_bps,
        pay_window_s=settings.pay_window_s,
        complete_after_s=settings.complete_after_s,
    )
