"""The accounts worker: which commands come in, and what takes them."""

from pathlib import Path

from redis.asyncio import Redis

from compose.settings import Settings
from consumers.accounts import avatars
from consumers.accounts.desk import AccountsDesk
from consumers.accounts.passwords import Passwords
from consumers.accounts.prepare import Preparation
from consumers.accounts.reputation import LEARNT, learn
from consumers.accounts.standing import Standing
from consumers.runtime import Inbox, emits, takes
from consumers.runtime.worker import Worker
from schemas.registry import MESSAGES
from schemas.sealed import TopicSeal, UserKeys
from topics.catalog import PAYMENT_EVENTS, USER_COMMANDS, USER_EVENTS, VIDEO_EVENTS

BATCH = 32
"""A batch of logins keeps its partition for half a second; a larger one would keep it longer and gain nothing."""

REDIS_WITHIN_S = 2.0


def build(settings: Settings) -> Worker:
    """The worker with its settings."""
    passwords = Passwords()
    keys = UserKeys(settings.keys_of_seals)
    redis = Redis.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        socket_timeout=REDIS_WITHIN_S,
        socket_connect_timeout=REDIS_WITHIN_S,
    )
    standing = Standing(redis, token_s=settings.access_token_s)

    async def close() -> None:
        passwords.close()
        await standing.close()

    return Worker(
        name="accounts",
        schema="accounts",
        sql=Path(__file__).parent,
        inboxes=[
            Inbox(
                topic=USER_COMMANDS.name,
                group="user-processors",
                takes=takes(*(one.name for one in MESSAGES if one.topic == USER_COMMANDS.name)),
                emits=emits(*(one.name for one in MESSAGES if one.topic == USER_EVENTS.name)),
                events_topic=USER_EVENTS.name,
                make_desk=lambda _partition: AccountsDesk(keys, passwords),
                prepare=Preparation(TopicSeal(settings.keys_of_seals), passwords),
                after_commit=standing.tell,
                batch=BATCH,
            ),
            Inbox(
                topic=PAYMENT_EVENTS.name,
                group="user-processors-payments",
                takes=takes(*LEARNT),
                apply=learn,
                commands=False,
            ),
            Inbox(
                topic=VIDEO_EVENTS.name,
                group="user-processors-videos",
                takes=takes("PictureReady", "PictureWithdrawn"),
                apply=avatars.learn,
                commands=False,
            ),
        ],
        before=standing.start,
        after=close,
    )
