"""Coming in and going out: passwords, sessions and their refresh tokens."""

from typing import Any, Literal
from uuid import UUID

from consumers.accounts.account import Account, Exchanged, NewHash, Opened, Session, State, Told
from consumers.accounts.facts import Decided, PasswordChange, Proof, accepted, nothing, refused
from schemas.users import (
    ChangePassword,
    EraseAccount,
    LogIn,
    LoginFailed,
    LogOut,
    PasswordChanged,
    RefreshSession,
    SessionOpened,
    SessionRefreshed,
    SessionRevoked,
    SessionsRevoked,
    UserErased,
)

REFRESH_MS = 7 * 86_400_000
"""A refresh token lives seven days (specification, refreshExpiration)."""
SESSION_MS = 90 * 86_400_000
"""However often it is refreshed, a session ends then (ASVS 5.0, 7.3.2)."""
SESSIONS_MAX = 20
"""Devices of one person; one more and the oldest session ends."""


def log_in(state: State, command: LogIn, proof: Proof, at_ms: int) -> Decided:
    """Open a session for the right password; unknown account and wrong password look the same."""
    if refusal := _password_refusal(state, command.user_id, at_ms, fits=proof.fits):
        return refusal
    if not isinstance(state, Account):
        raise ValueError("a password cannot fit where there is no account")
    if state.suspended:
        return refused("account_suspended")
    opened = SessionOpened(user_id=state.id, session_id=command.session_id)
    return accepted(
        "logged_in",
        *_room_for_one(state, at_ms),
        Told(opened, Opened(command.refresh_hash, at_ms + REFRESH_MS)),
        **_who(state, command.session_id, at_ms),
    )


def refresh(state: State, command: RefreshSession, at_ms: int) -> Decided:
    """Exchange a refresh token; one that was exchanged before is in two hands, so its whole session ends (RFC 9700, 4.14)."""
    session = state.sessions.get(command.session_id) if isinstance(state, Account) else None
    if session is None or not isinstance(state, Account):
        return refused("invalid_token")
    if command.presented_hash in session.spent:
        if command.next_hash == session.refresh_hash:
            return nothing("already_refreshed", **_who(state, command.session_id, at_ms))
        return refused("token_reused", _revoked(state, command.session_id, "reused"))
    if command.presented_hash != session.refresh_hash:
        return refused("invalid_token")
    if _is_over(session, at_ms):
        return refused("token_expired", _revoked(state, command.session_id, "expired"))
    event = SessionRefreshed(user_id=state.id, session_id=command.session_id)
    kept = Exchanged(command.presented_hash, command.next_hash, at_ms + REFRESH_MS)
    return accepted("refreshed", Told(event, kept), **_who(state, command.session_id, at_ms))


def log_out(account: Account, command: LogOut) -> Decided:
    """End one session."""
    if command.session_id not in account.sessions:
        return nothing("already_logged_out")
    return accepted("logged_out", _revoked(account, command.session_id, "logout"))


def log_out_all(account: Account) -> Decided:
    """End all sessions, and with them every access token."""
    return accepted("logged_out", Told(SessionsRevoked(user_id=account.id, reason="logout_all")))


def change_password(account: Account, command: ChangePassword, change: PasswordChange, at_ms: int) -> Decided:
    """Replace the password, given the current one; the session that asked stays, the others end."""
    if refusal := _password_refusal(account, account.id, at_ms, fits=change.fits):
        return refusal
    ended = SessionsRevoked(user_id=account.id, reason="password_changed", except_session_id=command.session_id)
    changed = Told(PasswordChanged(user_id=account.id), NewHash(change.password_hash))
    return accepted("password_changed", changed, Told(ended), **_who(account, command.session_id, at_ms))


def erase(account: Account, command: EraseAccount, proof: Proof, at_ms: int) -> Decided:
    """Forget the person, given the password: nothing of the account stays but its id."""
    if refusal := _password_refusal(account, command.user_id, at_ms, fits=proof.fits):
        return refusal
    return accepted(
        "erased",
        Told(SessionsRevoked(user_id=account.id, reason="erased")),
        Told(UserErased(user_id=account.id)),
    )


def _password_refusal(state: State, user_id: UUID, at_ms: int, *, fits: bool) -> Decided | None:
    wait_s = state.attempts.wait_s(at_ms)
    if wait_s:
        return refused("too_many_attempts", retryAfterS=wait_s)
    if not fits:
        failures = state.attempts.after_failure(at_ms).failures
        return refused("invalid_credentials", Told(LoginFailed(user_id=user_id, failures=failures)))
    return None


def _room_for_one(account: Account, at_ms: int) -> list[Told]:
    over = [key for key, session in account.sessions.items() if _is_over(session, at_ms)]
    live = [key for key in account.sessions if key not in over]
    displaced = live[: max(0, len(live) - SESSIONS_MAX + 1)]
    return [_revoked(account, key, "expired") for key in (*over, *displaced)]


def _is_over(session: Session, at_ms: int) -> bool:
    return at_ms >= min(session.expires_ms, session.opened_ms + SESSION_MS)


def _revoked(account: Account, session_id: UUID, reason: Literal["logout", "reused", "expired"]) -> Told:
    return Told(SessionRevoked(user_id=account.id, session_id=session_id, reason=reason))


def _who(account: Account, session_id: UUID, at_ms: int) -> dict[str, Any]:
    # An access token counts from `decidedAt`: an answer given a second time brings no token older deeds could not kill.
    return {
        "userId": str(account.id),
        "sessionId": str(session_id),
        "username": account.username,
        "roles": list(account.roles),
        "isVerified": account.verified,
        "decidedAt": at_ms,
    }
