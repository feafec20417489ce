"""Sealed fields: AES-256-GCM with rotating keys, so that no personal data or secret stands on a topic in clear.

A seal reads `v1.<key id>.<nonce>.<ciphertext>` (base64url). Its associated data is message id and field name, so that a seal
copied into another message or field does not open (SECURITY.md, Sealed fields; specification, `request-encryption`).
"""

import base64
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROTATION_S = 86_400
"""A sealing key lives one day (specification, `keyRotationInterval`); a day's key is derived from the master key."""

_VERSION = "v1"
_NONCE_BYTES = 12


class CannotOpen(Exception):
    """A seal that is damaged, belongs to another message or field, or whose key is gone."""


class TopicSeal:
    """Seals fields of messages with the key of the day; opens whatever a known master key sealed."""

    def __init__(self, master_keys: dict[str, bytes]) -> None:
        """Take master keys by id (32 bytes each); the first seals, all open."""
        self._masters = master_keys
        self._active = next(iter(master_keys))

    def seal(self, text: str, *, message_id: str, field: str, at_s: int) -> str:
        """Seal a text for one field of one message, with the key of the day of `at_s` (seconds since 1970)."""
        day = at_s // ROTATION_S
        key = _key_of_day(self._masters[self._active], day)
        return _seal(key, f"{self._active}-{day}", text.encode(), _associated(message_id, field))

    def open(self, seal: str, *, message_id: str, field: str) -> str:
        """The text of a seal; raises CannotOpen."""
        key_id, nonce, ciphertext = _read(seal)
        master_id, _, day = key_id.rpartition("-")
        if master_id not in self._masters or not day.isdigit():
            raise CannotOpen(f"no key {key_id}")
        return _open(_key_of_day(self._masters[master_id], int(day)), nonce, ciphertext, _associated(message_id, field))


class UserKeys:
    """One key per person, wrapped by the master key: erasing the wrapped key erases the person on every topic."""

    def __init__(self, master_keys: dict[str, bytes]) -> None:
        """Take master keys by id (32 bytes each); the first wraps, all unwrap."""
        self._masters = master_keys
        self._active = next(iter(master_keys))

    def wrap(self, user_key: bytes, *, user_id: str) -> str:
        """A person's key (32 bytes) wrapped for storing."""
        return _seal(_wrapping(self._masters[self._active]), self._active, user_key, _associated(user_id, "key"))

    def unwrap(self, wrapped: str, *, user_id: str) -> bytes:
        """A person's key; raises CannotOpen."""
        key_id, nonce, ciphertext = _read(wrapped)
        if key_id not in self._masters:
            raise CannotOpen(f"no key {key_id}")
        return _open_bytes(_wrapping(self._masters[key_id]), nonce, ciphertext, _associated(user_id, "key"))


def new_user_key() -> bytes:
    """A fresh key for a person, 32 bytes."""
    return os.urandom(32)


def seal_for_user(text: str, *, user_key: bytes, user_id: str, field: str) -> str:
    """Seal a person's text with the person's own key."""
    return _seal(user_key, "user", text.encode(), _associated(user_id, field))


def open_for_user(seal: str, *, user_key: bytes, user_id: str, field: str) -> str:
    """The text that `seal_for_user` sealed; raises CannotOpen."""
    _, nonce, ciphertext = _read(seal)
    return _open(user_key, nonce, ciphertext, _associated(user_id, field))


class OrderSeal:
    """Seals what an order knows of its buyer twice: with the person's own key, then with the key of the day.

    The inner seal dies with the person's key, wherever a copy lies; the outer one binds it to one order and field.
    """

    def __init__(self, master_keys: dict[str, bytes]) -> None:
        """Take master keys by id (32 bytes each); the first seals, all open."""
        self._topic = TopicSeal(master_keys)
        self._keys = UserKeys(master_keys)

    def seal(self, text: str, *, wrapped_key: str, user_id: str, order_id: str, field: str, at_s: int) -> str:
        """Seal a buyer's text for one field of one order; raises CannotOpen when the key does not unwrap."""
        user_key = self._keys.unwrap(wrapped_key, user_id=user_id)
        own = seal_for_user(text, user_key=user_key, user_id=user_id, field=field)
        return self._topic.seal(own, message_id=order_id, field=field, at_s=at_s)

    def open(self, seal: str, *, wrapped_key: str, user_id: str, order_id: str, field: str) -> str:
        """The text of a seal; raises CannotOpen."""
        own = self._topic.open(seal, message_id=order_id, field=field)
        user_key = self._keys.unwrap(wrapped_key, user_id=user_id)
        return open_for_user(own, user_key=user_key, user_id=user_id, field=field)


def _associated(message_id: str, field: str) -> bytes:
    return f"{message_id}\0{field}".encode()


@lru_cache(maxsize=1024)
def _key_of_day(master: bytes, day: int) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"topic:{day}".encode()).derive(master)


@lru_cache(maxsize=16)
def _wrapping(master: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"user-key").derive(master)


def _seal(key: bytes, key_id: str, plain: bytes, associated: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, plain, associated)
    return ".".join((_VERSION, key_id, _text(nonce), _text(ciphertext)))


def _open(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> str:
    return _open_bytes(key, nonce, ciphertext, associated).decode()


def _open_bytes(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, associated)
    except (InvalidTag, ValueError) as error:
        raise CannotOpen("the seal does not fit its message, field or key") from error


def _read(seal: str) -> tuple[str, bytes, bytes]:
    parts = seal.split(".")
    if len(parts) != 4 or parts[0] != _VERSION:
        raise CannotOpen("not a seal")
    try:
        return parts[1], _bytes(parts[2]), _bytes(parts[3])
    except ValueError as error:
        raise CannotOpen("not a seal") from error


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
