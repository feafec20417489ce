"""The private part of the log: what happened to an account with all it keeps to itself, sealed with the person's own key.

So an account can be folded again from the log alone, and erasing the key erases the person there too.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import msgspec

from consumers.accounts import account
from consumers.accounts.account import Told
from schemas.envelope import Wire
from schemas.registry import MESSAGES
from schemas.sealed import open_for_user, seal_for_user

_EVENTS: dict[str, type[Wire]] = {
    one.name: one.model for one in MESSAGES if one.topic == "user-events" and issubclass(one.model, Wire)
}
_KEPT = {
    kept.__name__: kept
    for kept in (
        account.Credentials,
        account.Opened,
        account.Exchanged,
        account.NewHash,
        account.NewName,
        account.Token,
    )
}


def write_history(told: Sequence[Told], *, key: bytes, user_id: UUID, command_id: UUID) -> bytes:
    """What a command made happen, sealed for this command's row of the log."""
    text = msgspec.json.encode([_plain(one) for one in told]).decode()
    return seal_for_user(text, user_key=key, user_id=str(user_id), field=_field(command_id)).encode()


def read_history(facts: bytes, *, key: bytes, user_id: UUID, command_id: UUID) -> list[Told]:
    """What `write_history` wrote; raises schemas.sealed.CannotOpen."""
    text = open_for_user(facts.decode(), user_key=key, user_id=str(user_id), field=_field(command_id))
    return [_told(one) for one in msgspec.json.decode(text)]


def _field(command_id: UUID) -> str:
    return f"history {command_id}"


def _plain(told: Told) -> dict[str, Any]:
    event = {"event": type(told.event).__name__, "said": told.event.model_dump(mode="json", by_alias=True)}
    return event if told.kept is None else {**event, "kept": type(told.kept).__name__, "fields": asdict(told.kept)}


def _told(plain: dict[str, Any]) -> Told:
    event = _EVENTS[plain["event"]].model_validate(plain["said"])
    return Told(event, _KEPT[plain["kept"]](**plain["fields"]) if "kept" in plain else None)
