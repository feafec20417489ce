"""What a batch of decisions changes in accounts' tables; executed inside the batch's commit, in this order."""

from collections.abc import Iterator
from uuid import UUID

from consumers.accounts.account import Account, Erased, Session, instant
from consumers.accounts.known import Known, Pairs
from consumers.runtime import Write

SESSIONS_KEPT_MS = 30 * 86_400_000
"""So long after its end a session stays listed."""
ATTEMPTS_KEPT_MS = 86_400_000


def writes_of(known: Known) -> list[Write]:
    """The difference between what was read and what is by now; rows sorted, so that two batches never wait crosswise."""
    changed = [key for key in sorted(known.now) if known.now[key] is not known.read[key]]
    writes = [*_accounts(known, changed), *_names(known), *_sessions(known, changed), *_attempts(known, changed)]
    writes += _pairs(known.follows_changed, FOLLOW, UNFOLLOW) + _pairs(known.watches_changed, WATCH, UNWATCH)
    writes += _erasures(known, changed)
    return [write for write in writes if write.rows]


SAVE = """
    INSERT INTO account (
           id, sequence, username, email_hash, email_sealed, full_name_sealed, password_hash, roles, created_ms,
           verified, suspended, verification_hash, verification_expires_ms, reset_hash, reset_expires_ms,
           mails_ms, tokens_since_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        ON CONFLICT (id) DO UPDATE SET
           sequence = excluded.sequence, username = excluded.username, email_hash = excluded.email_hash,
           email_sealed = excluded.email_sealed, full_name_sealed = excluded.full_name_sealed,
           password_hash = excluded.password_hash, roles = excluded.roles,
           verified = excluded.verified, suspended = excluded.suspended,
           verification_hash = excluded.verification_hash, verification_expires_ms = excluded.verification_expires_ms,
           reset_hash = excluded.reset_hash, reset_expires_ms = excluded.reset_expires_ms,
           mails_ms = excluded.mails_ms, tokens_since_ms = excluded.tokens_since_ms
"""


def _accounts(known: Known, changed: list[UUID]) -> list[Write]:
    accounts = [state for key in changed if isinstance(state := known.now[key], Account)]
    return [Write(SAVE, [_row(account) for account in accounts])]


def _row(account: Account) -> tuple[object, ...]:
    verification, reset = account.verification, account.reset
    return (
        account.id,
        account.sequence,
        account.username,
        account.email_hash,
        account.email_sealed,
        account.full_name_sealed,
        account.password_hash,
        list(account.roles),
        account.created_ms,
        account.verified,
        account.suspended,
        verification and verification.hash,
        verification and verification.expires_ms,
        reset and reset.hash,
        reset and reset.expires_ms,
        list(account.mails_ms),
        account.tokens_since_ms,
    )


FREE_EMAIL = "DELETE FROM email_owner WHERE email_hash = $1 AND user_id = $2"
FREE_USERNAME = "DELETE FROM username_owner WHERE username_key = $1 AND user_id = $2"
GIVE_EMAIL = "INSERT INTO email_owner (email_hash, user_id) VALUES ($1, $2)"
GIVE_USERNAME = "INSERT INTO username_owner (username_key, user_id) VALUES ($1, $2)"
KEEP_KEY = "INSERT INTO keyring (user_id, wrapped_key) VALUES ($1, $2)"


def _names(known: Known) -> list[Write]:
    return [
        Write(FREE_EMAIL, known.emails.freed()),
        Write(FREE_USERNAME, known.usernames.freed()),
        Write(GIVE_EMAIL, known.emails.given()),
        Write(GIVE_USERNAME, known.usernames.given()),
        Write(KEEP_KEY, [(key, known.keys[key]) for key in sorted(known.keys_made)]),
    ]


SAVE_SESSION = """
    INSERT INTO session AS s (id, user_id, refresh_hash, opened_ms, expires_ms) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE SET refresh_hash = excluded.refresh_hash, expires_ms = excluded.expires_ms
     WHERE s.user_id = excluded.user_id
"""
SPEND = "INSERT INTO spent_refresh (session_id, refresh_hash) VALUES ($1, $2)"
REVOKE_SESSION = "UPDATE session SET revoked_ms = $2 WHERE id = $1"
FORGET_SPENT = "DELETE FROM spent_refresh WHERE session_id = $1"
FORGET_SESSIONS = "DELETE FROM session WHERE user_id = $1 AND least(revoked_ms, expires_ms) < $2"


def _sessions(known: Known, changed: list[UUID]) -> list[Write]:
    saved: list[tuple[object, ...]] = []
    spent: list[tuple[UUID, str]] = []
    gone: list[tuple[UUID, int]] = []
    opened: list[tuple[UUID, int]] = []
    for user_id in changed:
        before, after, at_ms = _live(known.read[user_id]), _live(known.now[user_id]), known.touched_ms[user_id]
        for key, session in after.items():
            if session is before.get(key):
                continue
            saved.append((key, user_id, session.refresh_hash, session.opened_ms, session.expires_ms))
            spent += [(key, used) for used in sorted(session.spent - _spent(before.get(key)))]
        gone += [(key, at_ms) for key in before if key not in after]
        if after.keys() - before.keys():
            opened.append((user_id, at_ms - SESSIONS_KEPT_MS))
    return [
        Write(SAVE_SESSION, saved),
        Write(SPEND, spent),
        Write(REVOKE_SESSION, gone),
        Write(FORGET_SPENT, [(key,) for key, _ in gone]),
        Write(FORGET_SESSIONS, opened),
    ]


def _live(state: object) -> dict[UUID, Session]:
    return dict(state.sessions) if isinstance(state, Account) else {}


def _spent(session: Session | None) -> frozenset[str]:
    return session.spent if session else frozenset()


SAVE_ATTEMPTS = """
    INSERT INTO attempt (user_id, failures, last_ms) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET failures = excluded.failures, last_ms = excluded.last_ms
"""
FORGET_ATTEMPTS = "DELETE FROM attempt WHERE user_id = $1"
FORGET_OLD_ATTEMPTS = """
    DELETE FROM attempt WHERE user_id IN (
           SELECT user_id FROM attempt WHERE last_ms < $1 ORDER BY last_ms LIMIT 20 FOR UPDATE SKIP LOCKED)
"""


def _attempts(known: Known, changed: list[UUID]) -> list[Write]:
    moved = [key for key in changed if known.now[key].attempts != known.read[key].attempts]
    failed = [(key, known.now[key].attempts) for key in moved if known.now[key].attempts.failures]
    return [
        Write(SAVE_ATTEMPTS, [(key, attempts.failures, attempts.last_ms) for key, attempts in failed]),
        Write(FORGET_ATTEMPTS, [(key,) for key in moved if not known.now[key].attempts.failures]),
        # Whoever guesses at accounts that are not there leaves a row per guess: those of yesterday go.
        Write(FORGET_OLD_ATTEMPTS, [(failed[-1][1].last_ms - ATTEMPTS_KEPT_MS,)] if failed else []),
    ]


FOLLOW = "INSERT INTO follow (user_id, seller_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
UNFOLLOW = "DELETE FROM follow WHERE user_id = $1 AND seller_id = $2"
WATCH = "INSERT INTO watch (user_id, auction_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
UNWATCH = "DELETE FROM watch WHERE user_id = $1 AND auction_id = $2"


def _pairs(pairs: Pairs, begin: str, end: str) -> list[Write]:
    return [
        Write(begin, [(*pair, instant(since_ms)) for pair, since_ms in pairs.items() if since_ms is not None]),
        Write(end, [pair for pair, since_ms in pairs.items() if since_ms is None]),
    ]


ERASE = """
    INSERT INTO account (id, sequence, tokens_since_ms, erased) VALUES ($1, $2, $3, true)
        ON CONFLICT (id) DO UPDATE SET
           sequence = excluded.sequence, tokens_since_ms = excluded.tokens_since_ms, erased = true,
           username = NULL, email_hash = NULL, email_sealed = NULL, full_name_sealed = NULL, password_hash = NULL,
           roles = NULL, created_ms = NULL, verified = NULL, suspended = NULL, verification_hash = NULL,
           verification_expires_ms = NULL, reset_hash = NULL, reset_expires_ms = NULL, mails_ms = NULL
"""
FORGET_KEY = "DELETE FROM keyring WHERE user_id = $1"
FORGET_FOLLOWS = "DELETE FROM follow WHERE user_id = $1 OR seller_id = $1"
FORGET_WATCHES = "DELETE FROM watch WHERE user_id = $1"


def _erasures(known: Known, changed: list[UUID]) -> Iterator[Write]:
    gone = [key for key in changed if isinstance(known.now[key], Erased) and not isinstance(known.read[key], Erased)]
    yield Write(ERASE, [(key, known.now[key].sequence, known.touched_ms[key]) for key in gone])
    for forget in (FORGET_KEY, FORGET_FOLLOWS, FORGET_WATCHES):
        yield Write(forget, [(key,) for key in gone])
