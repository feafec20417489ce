"""What notifications keeps and reads in PostgreSQL."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from consumers.notifications.decide import Known
from consumers.runtime import Database, Write
from schemas.notifications import RecordDelivery

WRAPPED_KEY = """
    SELECT wrapped_key FROM accounts.keyring WHERE user_id = $1
"""


async def wrapped_key(db: Database, user_id: UUID) -> str | None:
    """A person's wrapped key (schemas.sealed.UserKeys); None when the person is erased."""
    key: str | None = await db.fetchval(WRAPPED_KEY, user_id)
    return key


POSTED = """
    SELECT provider_id FROM posted WHERE job_id = $1
"""


class Posted(NamedTuple):
    """The provider's yes to a job."""

    provider_id: str | None


async def posted(db: Database, job_id: UUID) -> Posted | None:
    """The provider's yes, if an earlier attempt at the job had it."""
    row = await db.fetchrow(POSTED, job_id)
    return None if row is None else Posted(row["provider_id"])


REMEMBER_POSTED = """
    INSERT INTO posted (job_id, provider_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""


async def remember_posted(db: Database, job_id: UUID, provider_id: str | None) -> None:
    """Keep the provider's yes until the job is closed."""
    await db.execute(REMEMBER_POSTED, job_id, provider_id)


FORGET_POSTED = """
    DELETE FROM posted WHERE job_id = $1
"""


def forget_posted(job_id: UUID) -> Write:
    """The write that goes with the end of a job."""
    return Write(FORGET_POSTED, [(job_id,)])


KNOW_READER = """
    INSERT INTO reader AS r (user_id, username, sealed_email, sequence) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id) DO UPDATE
       SET username = excluded.username, sealed_email = coalesce(excluded.sealed_email, r.sealed_email),
           sequence = excluded.sequence
     WHERE r.sequence < excluded.sequence
"""
FORGET_READER = """
    INSERT INTO reader AS r (user_id, username, sealed_email, sequence) VALUES ($1, NULL, NULL, $2)
        ON CONFLICT (user_id) DO UPDATE SET username = NULL, sealed_email = NULL, sequence = excluded.sequence
"""


def know_readers(rows: list[tuple[UUID, str, str | None, int]]) -> list[Write]:
    """Keep how people are called and where they are written to: id, username, sealed address, sequence of the event."""
    return [Write(KNOW_READER, rows)] if rows else []


def forget_readers(rows: list[tuple[UUID, int]]) -> list[Write]:
    """They left: id, sequence of the event, which is their last."""
    return [Write(FORGET_READER, rows)] if rows else []


READER = """
    SELECT username, sealed_email FROM reader WHERE user_id = $1
"""


class Reader(NamedTuple):
    """How somebody is called and where they are written to; both None when they left."""

    username: str | None
    sealed_email: str | None


async def reader(db: Database, user_id: UUID) -> Reader | None:
    """Somebody to write to; None while nothing was told of them."""
    row = await db.fetchrow(READER, user_id)
    return None if row is None else Reader(row["username"], row["sealed_email"])


OUTCOMES = """
    SELECT notification_id, outcome FROM delivery WHERE notification_id = ANY($1)
"""


async def outcomes(db: Database, notification_ids: Collection[UUID]) -> dict[UUID, Known]:
    """What is recorded of notifications."""
    rows = await db.fetch(OUTCOMES, list(notification_ids))
    return {row["notification_id"]: row["outcome"] for row in rows}


LAST_SEQUENCES = """
    SELECT aggregate, max(last_seq) AS last_seq FROM log WHERE aggregate = ANY($1) AND first_seq IS NOT NULL GROUP BY aggregate
"""


async def last_sequences(db: Database, user_ids: Collection[UUID]) -> dict[UUID, int]:
    """The sequence of each user's last event of ours; users without one are absent."""
    rows = await db.fetch(LAST_SEQUENCES, list(user_ids))
    return {row["aggregate"]: row["last_seq"] for row in rows}


RECORD = """
    INSERT INTO delivery (notification_id, user_id, channel, kind, outcome, provider_id, reason, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (notification_id) DO UPDATE
       SET outcome = excluded.outcome, provider_id = excluded.provider_id, reason = excluded.reason, at = excluded.at
"""


def record(*deliveries: tuple[RecordDelivery, int]) -> Write:
    """The write of accepted outcomes, each with its time in milliseconds since 1970."""
    return Write(
        RECORD,
        [
            (
                told.notification_id,
                told.user_id,
                told.channel,
                told.kind,
                told.outcome,
                told.provider_id,
                told.reason,
                datetime.fromtimestamp(at_ms / 1000, UTC),
            )
            for told, at_ms in deliveries
        ],
    )
