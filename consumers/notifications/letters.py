"""Which events call for a letter, and what is kept of one until it is sent: its seals, never a clear address or token."""

import uuid
from datetime import datetime
from typing import Literal
from uuid import UUID

from consumers.notifications.compose import Occasion
from consumers.runtime import Incoming, Job
from schemas.envelope import Wire
from schemas.users import EmailVerificationRequested, PasswordResetRequested

SEND_EMAIL = "send_email"
"""The kind of job that sends a letter."""

CHANNEL: Literal["email"] = "email"

LETTERS = ("EmailVerificationRequested", "PasswordResetRequested")
"""Events that call for a letter with a token."""


class Letter(Wire):
    """One letter to be sent; the payload of its job."""

    occasion: Occasion
    user_id: UUID
    username: str
    sealed_email: str
    sealed_token: str
    expires_at: datetime


def letter_of(happened: EmailVerificationRequested | PasswordResetRequested) -> Letter:
    """The letter that an event calls for."""
    occasion: Occasion = "email-verification" if isinstance(happened, EmailVerificationRequested) else "password-reset"
    return Letter(
        occasion=occasion,
        user_id=happened.user_id,
        username=happened.username,
        sealed_email=happened.sealed_email,
        sealed_token=happened.sealed_token,
        expires_at=happened.expires_at,
    )


def job_of(incoming: Incoming) -> Job:
    """The job that an event calls for: the same job, by its id, each time the event comes."""
    letter = letter_of(incoming.body)
    return Job(
        id=job_id_of(incoming.id),
        kind=SEND_EMAIL,
        payload=letter.model_dump_json(by_alias=True).encode(),
        correlation_id=incoming.correlation_id,
        traceparent=incoming.traceparent,
    )


def job_id_of(event_id: UUID) -> UUID:
    """The id of the job, and of the notification, that an event calls for on the channel e-mail."""
    return uuid.uuid5(event_id, CHANNEL)
