"""What takes long or chance, before deciding: seals are opened, new passwords hashed, tokens and keys drawn."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from consumers.accounts.facts import Mail, PasswordReset, Unreadable
from consumers.accounts.passwords import Passwords
from consumers.runtime import Incoming
from schemas import users
from schemas.sealed import CannotOpen, TopicSeal, new_user_key, seal_for_user

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Who registers, in clear, with the key that will seal it."""

    email: str = field(repr=False)
    full_name: str = field(repr=False)
    password_hash: str = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """A password that is to be checked, and the hash of the one that may replace it."""

    password: str = field(repr=False)
    new_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FullName:
    """The full name that is wanted, None to leave it."""

    text: str | None = field(repr=False)


class Preparation:
    """Sets `prepared` on the messages that hold seals; damaged ones become `Unreadable`."""

    def __init__(self, seal: TopicSeal, passwords: Passwords) -> None:
        self._seal = seal
        self._passwords = passwords

    async def __call__(self, batch: Sequence[Incoming]) -> None:
        """Prepare the messages of a batch, several passwords at a time."""
        await asyncio.gather(*(self._prepare(incoming) for incoming in batch))

    async def _prepare(self, incoming: Incoming) -> None:
        try:
            incoming.prepared = await self._prepared(incoming)
        except CannotOpen:
            incoming.prepared = Unreadable()

    async def _prepared(self, incoming: Incoming) -> NewPerson | Shown | PasswordReset | FullName | None:
        body = incoming.body
        match body:
            case users.RegisterUser():
                email = self._open(incoming, "emailSealed", body.email_sealed)
                full_name = self._open(incoming, "fullNameSealed", body.full_name_sealed)
                password = self._open(incoming, "passwordSealed", body.password_sealed)
                return NewPerson(email, full_name, await self._passwords.hash(password), new_user_key())
            case users.LogIn() | users.EraseAccount():
                return Shown(self._open(incoming, "passwordSealed", body.password_sealed))
            case users.ChangePassword():
                current = self._open(incoming, "currentSealed", body.current_sealed)
                new = self._open(incoming, "newSealed", body.new_sealed)
                return Shown(current, await self._passwords.hash(new))
            case users.ResetPassword():
                return PasswordReset(await self._passwords.hash(self._open(incoming, "newSealed", body.new_sealed)))
            case users.UpdateProfile(full_name_sealed=str() as sealed):
                return FullName(self._open(incoming, "fullNameSealed", sealed))
            case users.UpdateProfile():
                return FullName(None)
            case _:
                return None

    def _open(self, incoming: Incoming, name: str, seal: str) -> str:
        return self._seal.open(seal, message_id=str(incoming.id), field=name)


def draw_mail(user_id: UUID, email_sealed: str, key: bytes) -> Mail:
    """A fresh token, sealed with the person's key for its event; only its SHA-256 is kept."""
    secret = base64.urlsafe_b64encode(secrets.token_bytes(TOKEN_BYTES)).rstrip(b"=").decode()
    token = f"{user_id}.{secret}"
    return Mail(
        sealed_email=email_sealed,
        sealed_token=seal_for_user(token, user_key=key, user_id=str(user_id), field="token"),
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
    )
