"""What accounts reads from PostgreSQL to decide; what it writes stands in `writes.py`."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from asyncpg import Connection, Record
from asyncpg.pool import PoolConnectionProxy

from consumers.accounts.account import Account, Attempts, Erased, Nobody, Session, State, Token
from consumers.accounts.facts import Standing
from consumers.runtime import Database

Reader = Database | Connection | PoolConnectionProxy
"""A pool, or a connection whose transaction shows one moment."""

LOAD_ACCOUNTS = """
    SELECT asked.id AS asked_id, account.*, coalesce(failures, 0) AS failures, coalesce(last_ms, 0) AS last_ms
      FROM unnest($1::uuid[]) AS asked (id)
      LEFT JOIN account ON account.id = asked.id
      LEFT JOIN attempt ON attempt.user_id = asked.id
"""
LOAD_SESSIONS = """
    SELECT id, user_id, refresh_hash, opened_ms, expires_ms
      FROM session WHERE user_id = ANY($1) AND revoked_ms IS NULL
     ORDER BY opened_ms, id
"""


async def load_accounts(db: Reader, ids: Collection[UUID]) -> dict[UUID, State]:
    """Accounts by id, with their live sessions, without spent refresh tokens."""
    states = {row["asked_id"]: _state(row) for row in await db.fetch(LOAD_ACCOUNTS, list(ids))}
    people = [key for key, state in states.items() if isinstance(state, Account)]
    sessions: dict[UUID, dict[UUID, Session]] = {}
    for row in await db.fetch(LOAD_SESSIONS, people) if people else ():
        session = Session(row["refresh_hash"], row["opened_ms"], row["expires_ms"])
        sessions.setdefault(row["user_id"], {})[row["id"]] = session
    for key, live in sessions.items():
        state = states[key]
        if isinstance(state, Account):
            states[key] = replace(state, sessions=live)
    return states


def _state(row: Record) -> State:
    attempts = Attempts(row["failures"], row["last_ms"])
    if row["id"] is None:
        return Nobody(attempts)
    if row["erased"]:
        return Erased(attempts, row["sequence"])
    return Account(
        id=row["id"],
        sequence=row["sequence"],
        username=row["username"],
        email_hash=row["email_hash"],
        email_sealed=row["email_sealed"],
        full_name_sealed=row["full_name_sealed"],
        password_hash=row["password_hash"],
        roles=tuple(row["roles"]),
        created_ms=row["created_ms"],
        verified=row["verified"],
        suspended=row["suspended"],
        verification=_token(row["verification_hash"], row["verification_expires_ms"]),
        reset=_token(row["reset_hash"], row["reset_expires_ms"]),
        mails_ms=tuple(row["mails_ms"]),
        attempts=attempts,
        tokens_since_ms=row["tokens_since_ms"],
    )


def _token(token_hash: str | None, expires_ms: int | None) -> Token | None:
    return Token(token_hash, expires_ms) if token_hash is not None and expires_ms is not None else None


LOAD_SPENT = """
    SELECT session_id, refresh_hash FROM spent_refresh
     WHERE (session_id, refresh_hash) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
"""


async def load_spent(db: Database, presented: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Which of these refresh tokens (session, hash) were exchanged before."""
    rows = await db.fetch(LOAD_SPENT, *_columns(presented))
    return {(row["session_id"], row["refresh_hash"]) for row in rows}


LOAD_EMAIL_OWNERS = """
    SELECT email_hash, user_id FROM email_owner WHERE email_hash = ANY($1)
"""


async def load_email_owners(db: Database, email_hashes: Collection[str]) -> dict[str, UUID]:
    """Whose these e-mail addresses are."""
    return {row["email_hash"]: row["user_id"] for row in await db.fetch(LOAD_EMAIL_OWNERS, list(email_hashes))}


LOAD_USERNAME_OWNERS = """
    SELECT username_key, user_id FROM username_owner WHERE username_key = ANY($1)
"""


async def load_username_owners(db: Database, keys: Collection[str]) -> dict[str, UUID]:
    """Whose these usernames are."""
    return {row["username_key"]: row["user_id"] for row in await db.fetch(LOAD_USERNAME_OWNERS, list(keys))}


LOAD_KEYS = """
    SELECT user_id, wrapped_key FROM keyring WHERE user_id = ANY($1)
"""


async def load_keys(db: Reader, ids: Collection[UUID]) -> dict[UUID, str]:
    """The people's own keys, wrapped."""
    return {row["user_id"]: row["wrapped_key"] for row in await db.fetch(LOAD_KEYS, list(ids))}


LOAD_STANDINGS = """
    SELECT id, roles, suspended FROM account WHERE id = ANY($1) AND NOT erased
"""


async def load_standings(db: Database, ids: Collection[UUID]) -> dict[UUID, Standing]:
    """What others are: those who moderate or are followed."""
    rows = await db.fetch(LOAD_STANDINGS, list(ids))
    return {row["id"]: Standing(tuple(row["roles"]), row["suspended"]) for row in rows}


LOAD_FOLLOWS = """
    SELECT user_id, seller_id FROM follow
     WHERE (user_id, seller_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""


async def load_follows(db: Database, pairs: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Which of these (user, seller) stand."""
    return {(row["user_id"], row["seller_id"]) for row in await db.fetch(LOAD_FOLLOWS, *_columns(pairs))}


LOAD_WATCHES = """
    SELECT user_id, auction_id FROM watch
     WHERE (user_id, auction_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""


async def load_watches(db: Database, pairs: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Which of these (user, auction) stand."""
    return {(row["user_id"], row["auction_id"]) for row in await db.fetch(LOAD_WATCHES, *_columns(pairs))}


def _columns(pairs: Collection[tuple[UUID, object]]) -> tuple[list[UUID], list[object]]:
    return [first for first, _ in pairs], [second for _, second in pairs]
