"""Which topics notifications takes, and who does its jobs."""

from pathlib import Path

from compose.settings import Settings
from consumers.notifications.courier import Courier
from consumers.notifications.desks import Deliveries, Letters, OrderLetters
from consumers.notifications.gateway import SendGrid
from consumers.notifications.letters import LETTERS, SEND_EMAIL
from consumers.notifications.order_letters import SEND_ORDER_EMAIL
from consumers.notifications.order_words import OCCASIONS
from consumers.runtime import Inbox, JobRunner, emits, takes
from consumers.runtime.worker import Worker
from schemas.sealed import UserKeys
from topics.catalog import NOTIFICATION_COMMANDS, NOTIFICATION_EVENTS, PAYMENT_EVENTS, USER_EVENTS

AT_ONCE = 4
"""Letters under way in one process; SendGrid answers in tens of milliseconds."""
LEASE_S = 15.0
"""How long the letter of a runner that died waits for the next one."""
ATTEMPTS_MAX = 200
"""With delays of up to ten minutes, more than a day: a token's life ends the attempts, not their number."""


def build(settings: Settings) -> Worker:
    """The worker as one process runs it."""
    assert settings.sendgrid_api_key is not None
    gateway = SendGrid(
        api_key=settings.sendgrid_api_key.get_secret_value(),
        host=str(settings.sendgrid_host),
        sender=settings.mail_from,
        at_once=AT_ONCE,
    )
    courier = Courier(keys=UserKeys(settings.keys_of_seals), gateway=gateway, public_url=str(settings.public_url))
    return Worker(
        name="notifications",
        schema="notifications",
        sql=Path(__file__).parent,
        inboxes=[
            Inbox(
                topic=USER_EVENTS.name,
                group="notification-processors",
                takes=takes(*LETTERS, "ProfileUpdated", "UserErased"),
                make_desk=lambda _partition: Letters(),
                commands=False,
            ),
            Inbox(
                topic=PAYMENT_EVENTS.name,
                group="notification-processors-payments",
                takes=takes(*OCCASIONS),
                make_desk=lambda _partition: OrderLetters(),
                commands=False,
            ),
            Inbox(
                topic=NOTIFICATION_COMMANDS.name,
                group="notification-processors-commands",
                takes=takes("RecordDelivery"),
                emits=emits("NotificationSent", "NotificationFailed"),
                events_topic=NOTIFICATION_EVENTS.name,
                make_desk=lambda _partition: Deliveries(),
            ),
        ],
        runners=[
            JobRunner(
                kind=SEND_EMAIL,
                act=courier.deliver,
                gave_up=courier.gave_up,
                concurrency=AT_ONCE,
                lease_s=LEASE_S,
                attempts_max=ATTEMPTS_MAX,
            ),
            JobRunner(
                kind=SEND_ORDER_EMAIL,
                act=courier.deliver_about_order,
                gave_up=courier.gave_up_about_order,
                concurrency=AT_ONCE,
                lease_s=LEASE_S,
                attempts_max=ATTEMPTS_MAX,
            ),
        ],
        before=courier.open,
        after=courier.close,
    )
