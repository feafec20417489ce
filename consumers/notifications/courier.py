"""Sends one letter: opens its seals, has it composed, hands it to the provider, says what became of it."""

import uuid
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import structlog

from consumers.notifications import store
from consumers.notifications.compose import Mail, Undeliverable, compose
from consumers.notifications.gateway import SendGrid
from consumers.notifications.letters import CHANNEL, Letter
from consumers.notifications.order_letters import OrderLetter, write
from consumers.runtime import Claimed, Database, Done, GiveUp, OutCommand, TryAgain
from schemas.notifications import RecordDelivery
from schemas.registry import BY_NAME
from schemas.sealed import CannotOpen, UserKeys, open_for_user

log = structlog.get_logger("courier")

_RECORD = BY_NAME["RecordDelivery"]

UNKNOWN_ATTEMPTS = 6
"""So often a reader is looked for of whom accounts told nothing yet: about half a minute."""


class Courier:
    """Does the jobs `send_email`."""

    def __init__(self, *, keys: UserKeys, gateway: SendGrid, public_url: str) -> None:
        """Take what opens people's keys, the provider, and the address that links lead to."""
        self._keys = keys
        self._gateway = gateway
        self._public_url = public_url
        self._db: Database | None = None

    async def open(self, db: Database) -> None:
        """Take the worker's database; before the first letter."""
        self._db = db

    async def close(self) -> None:
        """Take no more letters."""
        self._gateway.close()

    async def deliver(self, job: Claimed) -> Done:
        """Send a letter, once if nothing dies between the provider's yes and our noting it.

        Raises TryAgain and GiveUp. The letter of an erased person is dropped without a word to anybody.
        """
        assert self._db is not None
        letter = Letter.model_validate_json(job.payload)
        done = await store.posted(self._db, job.id)
        if done is None:
            wrapped = await store.wrapped_key(self._db, letter.user_id)
            if wrapped is None:
                log.info("letter dropped: its reader is erased", job=str(job.id), occasion=letter.occasion)
                return Done()
            if letter.expires_at <= datetime.now(UTC):
                raise GiveUp("its token expired before it could be sent")
            mail = self._compose(letter, wrapped)
            done = store.Posted(await self._gateway.send(mail, job_id=job.id, occasion=letter.occasion))
            await store.remember_posted(self._db, job.id, done.provider_id)
        told = _outcome(job.id, letter, "sent", provider_id=done.provider_id)
        return Done(writes=[store.forget_posted(job.id)], commands=[told])

    async def gave_up(self, job: Claimed, reason: str) -> Done:
        """Tell that a letter will not be sent."""
        letter = Letter.model_validate_json(job.payload)
        return Done(commands=[_outcome(job.id, letter, "failed", reason=reason)])

    async def deliver_about_order(self, job: Claimed) -> Done:
        """Send a letter about an order, as `deliver` does. Raises TryAgain and GiveUp."""
        assert self._db is not None
        letter = OrderLetter.model_validate_json(job.payload)
        done = await store.posted(self._db, job.id)
        if done is None:
            reader = await store.reader(self._db, letter.user_id)
            wrapped = await store.wrapped_key(self._db, letter.user_id)
            if reader is None and job.attempt < UNKNOWN_ATTEMPTS:
                raise TryAgain("accounts has not told its reader's address yet")
            if reader is None:
                raise GiveUp("its reader's address was never told")
            if wrapped is None or reader.sealed_email is None:
                log.info("letter dropped: its reader is erased", job=str(job.id), occasion=letter.occasion)
                return Done()
            mail = self._about_order(letter, reader, wrapped)
            done = store.Posted(await self._gateway.send(mail, job_id=job.id, occasion=letter.occasion))
            await store.remember_posted(self._db, job.id, done.provider_id)
        told = _outcome(job.id, letter, "sent", provider_id=done.provider_id)
        return Done(writes=[store.forget_posted(job.id)], commands=[told])

    async def gave_up_about_order(self, job: Claimed, reason: str) -> Done:
        """Tell that a letter about an order will not be sent."""
        letter = OrderLetter.model_validate_json(job.payload)
        return Done(commands=[_outcome(job.id, letter, "failed", reason=reason)])

    def _about_order(self, letter: OrderLetter, reader: store.Reader, wrapped: str) -> Mail:
        user_id = str(letter.user_id)
        assert reader.sealed_email is not None
        try:
            key = self._keys.unwrap(wrapped, user_id=user_id)
            to = open_for_user(reader.sealed_email, user_key=key, user_id=user_id, field="email")
            return write(letter, to=to, username=reader.username or "")
        except CannotOpen as error:
            raise GiveUp("its seals do not open") from error
        except Undeliverable as error:
            raise GiveUp(str(error)) from error

    def _compose(self, letter: Letter, wrapped: str) -> Mail:
        user_id = str(letter.user_id)
        try:
            key = self._keys.unwrap(wrapped, user_id=user_id)
        except CannotOpen as error:
            raise TryAgain("its reader's key does not unwrap: is SEALING_KEYS missing an older key?") from error
        try:
            return compose(
                letter.occasion,
                to=open_for_user(letter.sealed_email, user_key=key, user_id=user_id, field="email"),
                username=letter.username,
                token=open_for_user(letter.sealed_token, user_key=key, user_id=user_id, field="token"),
                expires_at=letter.expires_at,
                public_url=self._public_url,
            )
        except CannotOpen as error:
            raise GiveUp("its seals do not open") from error
        except Undeliverable as error:
            raise GiveUp(str(error)) from error


def _outcome(
    job_id: UUID,
    letter: Letter | OrderLetter,
    outcome: Literal["sent", "failed"],
    *,
    provider_id: str | None = None,
    reason: str | None = None,
) -> OutCommand:
    record = RecordDelivery(
        user_id=letter.user_id,
        notification_id=job_id,
        channel=CHANNEL,
        kind=letter.occasion,
        outcome=outcome,
        provider_id=provider_id,
        reason=reason,
    )
    return OutCommand(
        topic=_RECORD.topic,
        aggregate=letter.user_id,
        id=uuid.uuid5(job_id, outcome),
        type=_RECORD.name,
        ce_type=_RECORD.ce_type,
        schema=_RECORD.schema,
        data=record.model_dump_json(by_alias=True, exclude_none=True).encode(),
    )
