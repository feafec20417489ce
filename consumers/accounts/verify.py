"""Proves what accounts keeps: folds the log of every account and compares it with the tables.

For operators and for the tests of faults. Each difference is a line that names the account; none means that all agree.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

import asyncpg

from compose.settings import Settings
from consumers.accounts.account import Account, Attempts, Nobody, State, evolve, username_key
from consumers.accounts.history import read_history
from consumers.accounts.store import Reader, load_accounts, load_keys
from schemas.sealed import UserKeys

PAGE = 200

ACCOUNTS_AFTER = """
    SELECT id FROM account WHERE id > $1 ORDER BY id LIMIT $2
"""
HISTORIES = """
    SELECT aggregate, command_id, at_ms, first_seq, last_seq, cardinality(events) AS told, facts
      FROM log WHERE aggregate = ANY($1) AND first_seq IS NOT NULL
     ORDER BY aggregate, first_seq
"""
NAMES = """
    SELECT coalesce(e.user_id, u.user_id) AS user_id, email_hash, username_key
      FROM (SELECT * FROM email_owner WHERE user_id = ANY($1)) e
      FULL JOIN (SELECT * FROM username_owner WHERE user_id = ANY($1)) u ON u.user_id = e.user_id
"""
WITHOUT_ROW = """
    SELECT DISTINCT aggregate FROM log
     WHERE first_seq IS NOT NULL AND NOT EXISTS (SELECT FROM account WHERE id = aggregate)
"""


async def verify(settings: Settings, *, role: str = "cli", report: Callable[[str], None] = print) -> int:
    """Compare all accounts and return how many differences there are; safe beside running workers."""
    keys = UserKeys(settings.keys_of_seals)
    db = await asyncpg.connect(settings.database_url(role), server_settings={"search_path": "accounts"})
    try:
        # One snapshot: what is committed meanwhile is not half seen.
        async with db.transaction(isolation="repeatable_read", readonly=True):
            found = [line async for line in differences(db, keys)]
    finally:
        await db.close()
    for line in found:
        report(line)
    return len(found)


async def differences(db: Reader, keys: UserKeys) -> AsyncIterator[str]:
    """Each difference between the log and the tables of the connection's schema."""
    for row in await db.fetch(WITHOUT_ROW):
        yield f"{row['aggregate']}: events in the log, but no account"
    last = UUID(int=0)
    while ids := [row["id"] for row in await db.fetch(ACCOUNTS_AFTER, last, PAGE)]:
        for line in await _page(db, keys, ids):
            yield line
        last = ids[-1]


async def _page(db: Reader, keys: UserKeys, ids: Sequence[UUID]) -> list[str]:
    states = await load_accounts(db, ids)
    wrapped = await load_keys(db, ids)
    names = {row["user_id"]: (row["email_hash"], row["username_key"]) for row in await db.fetch(NAMES, ids)}
    histories: dict[UUID, list[asyncpg.Record]] = {}
    for row in await db.fetch(HISTORIES, ids):
        histories.setdefault(row["aggregate"], []).append(row)
    found: list[str] = []
    for user_id in ids:
        state, key = states[user_id], wrapped.get(user_id)
        opened = keys.unwrap(key, user_id=str(user_id)) if key is not None else None
        found += _account(user_id, state, histories.get(user_id, []), opened)
        if names.get(user_id) != _names_of(state):
            found.append(f"{user_id}: its names are not given to it alone")
    return found


def _account(user_id: UUID, state: State, history: list[asyncpg.Record], key: bytes | None) -> Iterator[str]:
    last = 0
    for row in history:
        if row["first_seq"] != last + 1 or row["last_seq"] - row["first_seq"] + 1 != row["told"]:
            yield f"{user_id}: a gap or an overlap after event {last}"
        last = row["last_seq"]
    if state.sequence != last:
        yield f"{user_id}: at event {state.sequence}, its log at {last}"
    if isinstance(state, Account) != (key is not None):
        yield f"{user_id}: a key without an account, or an account without its key"
    elif key is not None and _comparable(_fold(user_id, history, key)) != _comparable(state):
        yield f"{user_id}: not what its log says"


def _fold(user_id: UUID, history: list[asyncpg.Record], key: bytes) -> State:
    state: State = Nobody()
    for row in history:
        for told in read_history(row["facts"], key=key, user_id=user_id, command_id=row["command_id"]):
            state = evolve(state, told, row["at_ms"])
    return state


def _comparable(state: State) -> State:
    # Wrong passwords of long ago and spent tokens leave the tables before they leave the log.
    if not isinstance(state, Account):
        return state
    sessions = {key: replace(session, spent=frozenset()) for key, session in state.sessions.items()}
    return replace(state, attempts=Attempts(), sessions=sessions)


def _names_of(state: State) -> tuple[str, str] | None:
    return (state.email_hash, username_key(state.username)) if isinstance(state, Account) else None
