"""What an account is between two commands, and how what happened changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from schemas.envelope import Wire
from schemas.users import (
    EmailVerificationRequested,
    EmailVerified,
    LoginFailed,
    PasswordChanged,
    PasswordResetRequested,
    ProfileUpdated,
    Role,
    RoleGranted,
    SessionOpened,
    SessionRefreshed,
    SessionRevoked,
    SessionsRevoked,
    UserErased,
    UserRegistered,
    UserReinstated,
    UserSuspended,
)

FREE_FAILURES = 5
"""Wrong passwords in a row that cost nothing but the answer; the fifth begins the waiting."""
LOCK_S_MAX = 900
FAILURES_FORGOTTEN_MS = 86_400_000
"""A day without a wrong password and counting begins anew."""
MAILS_REMEMBERED_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Attempts:
    """Wrong passwords in a row, and when the last one came (ms)."""

    failures: int = 0
    last_ms: int = 0

    def after_failure(self, at_ms: int) -> "Attempts":
        """One more wrong password."""
        stale = at_ms - self.last_ms > FAILURES_FORGOTTEN_MS
        return Attempts(1 if stale else self.failures + 1, at_ms)

    def wait_s(self, at_ms: int) -> int:
        """Whole seconds until a password is looked at again: 1, 2, 4 ... up to 15 minutes, never for ever."""
        if self.failures < FREE_FAILURES:
            return 0
        lock_ms = 1000 * min(LOCK_S_MAX, 1 << min(self.failures - FREE_FAILURES, 20))
        return max(0, -((at_ms - self.last_ms - lock_ms) // 1000))


@dataclass(frozen=True, slots=True)
class Token:
    """A token that went out by e-mail: SHA-256 (hex) of its text, and until when it works (ms)."""

    hash: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Session:
    """A login on one device, kept alive by exchanging refresh tokens; hashes are SHA-256, hex.

    `spent` holds the exchanged ones as far as anybody asked for them: the store reads no others.
    """

    refresh_hash: str
    opened_ms: int
    expires_ms: int
    spent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Nobody:
    """No account has this id. Wrong passwords are counted all the same: who asks must not see a difference."""

    attempts: Attempts = Attempts()
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """An account whose person left."""

    attempts: Attempts = Attempts()
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's account; `email_sealed` and `full_name_sealed` open with the person's own key."""

    id: UUID
    sequence: int
    username: str
    email_hash: str
    email_sealed: str
    full_name_sealed: str
    password_hash: str
    roles: tuple[Role, ...]
    created_ms: int
    verified: bool = False
    suspended: bool = False
    verification: Token | None = None
    reset: Token | None = None
    mails_ms: tuple[int, ...] = ()
    """When tokens were mailed within the last day."""
    attempts: Attempts = Attempts()
    sessions: Mapping[UUID, Session] = field(default_factory=lambda: MappingProxyType({}))
    """The live ones, oldest first."""
    tokens_since_ms: int = 0
    """Access tokens issued before are dead."""


State = Nobody | Account | Erased


# What an event keeps to itself: needed to fold the account again, told to nobody.


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a new account is stored with."""

    email_hash: str
    email_sealed: str
    full_name_sealed: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The first refresh token of a session."""

    refresh_hash: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One refresh token for the next."""

    spent_hash: str
    refresh_hash: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class NewHash:
    """The hash of a new password."""

    password_hash: str


@dataclass(frozen=True, slots=True)
class NewName:
    """The sealed full name after a change of the profile."""

    full_name_sealed: str


Kept = Credentials | Opened | Exchanged | NewHash | NewName | Token


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is told, and what it keeps to itself."""

    event: Wire
    kept: Kept | None = None


def username_key(username: str) -> str:
    """The form of a username by which two are the same."""
    return username.casefold()


def evolve(state: State, told: Told, at_ms: int) -> State:
    """The account after an event. Raises ValueError if such an event cannot happen to it."""
    match state, told.event, told.kept:
        case Nobody() | Erased(), LoginFailed(), None:
            return replace(state, attempts=state.attempts.after_failure(at_ms))
        case Nobody(), UserRegistered() as event, Credentials() as credentials:
            return _registered(event, credentials, at_ms)
        case Account(), event, kept:
            return _after(replace(state, sequence=state.sequence + 1), event, kept, at_ms)
        case _:
            raise ValueError(f"{type(told.event).__name__} cannot happen to {type(state).__name__}")


def _registered(event: UserRegistered, credentials: Credentials, at_ms: int) -> Account:
    return Account(
        id=event.user_id,
        sequence=1,
        username=event.username,
        email_hash=credentials.email_hash,
        email_sealed=credentials.email_sealed,
        full_name_sealed=credentials.full_name_sealed,
        password_hash=credentials.password_hash,
        roles=tuple(event.roles),
        created_ms=at_ms,
    )


def _after(account: Account, event: Wire, kept: Kept | None, at_ms: int) -> State:
    match event, kept:
        case ((SessionOpened() | SessionRefreshed() | SessionRevoked() | SessionsRevoked()), _):
            return _sessions_after(account, event, kept, at_ms)
        case EmailVerificationRequested(), Token():
            return replace(account, verification=kept, mails_ms=_mailed(account, at_ms))
        case PasswordResetRequested(), Token():
            return replace(account, reset=kept, mails_ms=_mailed(account, at_ms))
        case EmailVerified(), None:
            return replace(account, verified=True)
        case LoginFailed(), None:
            return replace(account, attempts=account.attempts.after_failure(at_ms))
        case PasswordChanged(), NewHash():
            return replace(account, password_hash=kept.password_hash, reset=None, attempts=Attempts())
        case ProfileUpdated(), NewName():
            return replace(account, username=event.username, full_name_sealed=kept.full_name_sealed)
        case RoleGranted(), None:
            return replace(account, roles=tuple(event.roles), tokens_since_ms=at_ms)
        case UserSuspended(), None:
            return replace(account, suspended=True)
        case UserReinstated(), None:
            return replace(account, suspended=False)
        case UserErased(), None:
            return Erased(sequence=account.sequence)
        case _:
            return account  # Follows and watches are rows of their own.


def _sessions_after(account: Account, event: Wire, kept: Kept | None, at_ms: int) -> Account:
    sessions = dict(account.sessions)
    match event, kept:
        case SessionOpened(), Opened():
            sessions[event.session_id] = Session(kept.refresh_hash, at_ms, kept.expires_ms)
            return replace(account, sessions=sessions, attempts=Attempts())
        case SessionRefreshed(), Exchanged():
            session = sessions[event.session_id]
            sessions[event.session_id] = replace(
                session,
                refresh_hash=kept.refresh_hash,
                expires_ms=kept.expires_ms,
                spent=session.spent | {kept.spent_hash},
            )
            return replace(account, sessions=sessions)
        case SessionRevoked(), None:
            sessions.pop(event.session_id, None)
            return replace(account, sessions=sessions)
        case SessionsRevoked(), None:
            stays = {key: session for key, session in sessions.items() if key == event.except_session_id}
            return replace(account, sessions=stays, tokens_since_ms=at_ms)
        case _:
            raise ValueError(f"{type(event).__name__} lacks what it keeps")


def _mailed(account: Account, at_ms: int) -> tuple[int, ...]:
    return (*(sent for sent in account.mails_ms if at_ms - sent < MAILS_REMEMBERED_MS), at_ms)


def instant(at_ms: int) -> datetime:
    """Milliseconds since 1970 as the time that messages carry."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
