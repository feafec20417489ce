"""Tokens that go out by e-mail: one proves the address, the other lets a forgotten password be replaced."""

from typing import TypeGuard
from uuid import UUID

from consumers.accounts.account import MAILS_REMEMBERED_MS, Account, NewHash, State, Token, Told, instant
from consumers.accounts.facts import Decided, Mail, PasswordReset, accepted, nothing, refused
from schemas.users import (
    EmailVerificationRequested,
    EmailVerified,
    PasswordChanged,
    PasswordResetRequested,
    ResetPassword,
    SessionsRevoked,
    VerifyEmail,
)

VERIFICATION_MS = 24 * 3_600_000
RESET_MS = 3_600_000
"""A reset token opens the account to whoever reads the mailbox, so it lives an hour only."""
MAIL_GAP_MS = 60_000
MAILS_PER_DAY = 10


def verification_mail(user_id: UUID, username: str, mail: Mail, at_ms: int) -> Told:
    """The e-mail that asks a person to prove the address."""
    expires_ms = at_ms + VERIFICATION_MS
    event = EmailVerificationRequested(
        user_id=user_id,
        username=username,
        sealed_email=mail.sealed_email,
        sealed_token=mail.sealed_token,
        expires_at=instant(expires_ms),
    )
    return Told(event, Token(mail.token_hash, expires_ms))


def resend(state: State, mail: Mail | None, at_ms: int) -> Decided:
    """A new verification e-mail, if one is due; the answer tells nobody whether the account exists."""
    if mail is None or not _may_mail(state, at_ms) or state.verified:
        return accepted("mail_requested")
    return accepted("mail_requested", verification_mail(state.id, state.username, mail, at_ms))


def forgot(state: State, mail: Mail | None, at_ms: int) -> Decided:
    """A reset e-mail; the answer tells nobody whether the account exists."""
    if mail is None or not _may_mail(state, at_ms):
        return accepted("mail_requested")
    expires_ms = at_ms + RESET_MS
    event = PasswordResetRequested(
        user_id=state.id,
        username=state.username,
        sealed_email=mail.sealed_email,
        sealed_token=mail.sealed_token,
        expires_at=instant(expires_ms),
    )
    return accepted("mail_requested", Told(event, Token(mail.token_hash, expires_ms)))


def verify(state: State, command: VerifyEmail, at_ms: int) -> Decided:
    """The address is proved by the latest token that went there."""
    if not isinstance(state, Account) or not _is(state.verification, command.token_hash):
        return refused("invalid_token")
    if state.suspended:
        return refused("account_suspended")
    if state.verified:
        return nothing("already_verified", userId=str(state.id))
    if _is_over(state.verification, at_ms):
        return refused("token_expired")
    return accepted("email_verified", Told(EmailVerified(user_id=state.id)), userId=str(state.id))


def reset(state: State, command: ResetPassword, new: PasswordReset, at_ms: int) -> Decided:
    """A new password for whoever holds the reset token, who thereby proved the address too; all sessions end."""
    if not isinstance(state, Account) or not _is(state.reset, command.token_hash):
        return refused("invalid_token")
    if state.suspended:
        return refused("account_suspended")
    if _is_over(state.reset, at_ms):
        return refused("token_expired")
    told = [Told(PasswordChanged(user_id=state.id), NewHash(new.password_hash))]
    if not state.verified:
        told.append(Told(EmailVerified(user_id=state.id)))
    told.append(Told(SessionsRevoked(user_id=state.id, reason="password_reset")))
    return accepted("password_reset", *told, userId=str(state.id))


def _may_mail(state: State, at_ms: int) -> TypeGuard[Account]:
    if not isinstance(state, Account) or state.suspended:
        return False
    sent = [mailed for mailed in state.mails_ms if at_ms - mailed < MAILS_REMEMBERED_MS]
    return len(sent) < MAILS_PER_DAY and all(at_ms - mailed >= MAIL_GAP_MS for mailed in sent)


def _is(token: Token | None, presented_hash: str) -> bool:
    return token is not None and token.hash == presented_hash


def _is_over(token: Token | None, at_ms: int) -> bool:
    return token is None or at_ms >= token.expires_ms
