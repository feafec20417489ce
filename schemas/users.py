"""What is said about accounts: requests of people, commands to `accounts`, and the events it tells."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.envelope import Request, Time, Wire
from schemas.roles import Role as Role
from schemas.roles import permitted as permitted
from schemas.text import Email, Line, Note, Password, Secret, Username

# What people send.


class Registration(Request):
    """POST /auth/register."""

    email: Email
    password: Password
    username: Username
    full_name: Line


class EmailOnly(Request):
    """POST /auth/resend-verification and /auth/password/forgot."""

    email: Email


class TokenOnly(Request):
    """POST /auth/verify-email."""

    token: Secret


class Login(Request):
    """POST /auth/login."""

    email: Email
    password: Secret


class Refresh(Request):
    """POST /auth/refresh and /auth/logout."""

    refresh_token: Secret


class PasswordResetRequest(Request):
    """POST /auth/password/reset."""

    token: Secret
    password: Password


class PasswordChange(Request):
    """PUT /auth/password."""

    current_password: Secret
    new_password: Password


class ProfileChange(Request):
    """PATCH /users/me; what is absent stays."""

    username: Username | None = None
    full_name: Line | None = None


class Erasure(Request):
    """DELETE /users/me: the password again, since it cannot be undone."""

    password: Secret


class Moderation(Request):
    """POST /users/{id}/suspend and /users/{id}/reinstate (admin)."""

    reason: Note = Field(min_length=1)


# Commands to accounts. Names ending in `Sealed` hold a TopicSeal whose associated data is commandId and the wire name of the field.


class RegisterUser(Wire):
    """A new account; the user id is the message's key."""

    user_id: UUID
    email_hash: str
    email_sealed: str
    username: str
    full_name_sealed: str
    password_sealed: str


class VerifyEmail(Wire):
    """The token of the e-mail came back; only its SHA-256 (hex) travels."""

    user_id: UUID
    token_hash: str


class ResendVerification(Wire):
    """A new verification e-mail is wanted."""

    user_id: UUID


class LogIn(Wire):
    """A password is to be checked and a session opened; the refresh token's SHA-256 (hex) is its first key."""

    user_id: UUID
    password_sealed: str
    session_id: UUID
    refresh_hash: str


class RefreshSession(Wire):
    """The refresh token of a session is to be exchanged; SHA-256 (hex) of both."""

    user_id: UUID
    session_id: UUID
    presented_hash: str
    next_hash: str


class LogOut(Wire):
    """One session ends."""

    user_id: UUID
    session_id: UUID


class LogOutAll(Wire):
    """All sessions of the account end."""

    user_id: UUID


class ChangePassword(Wire):
    """The password changes; the current one is proof. Other sessions end."""

    user_id: UUID
    session_id: UUID
    current_sealed: str
    new_sealed: str


class ForgotPassword(Wire):
    """A reset e-mail is wanted."""

    user_id: UUID


class ResetPassword(Wire):
    """The token of the reset e-mail came back with a new password; all sessions end."""

    user_id: UUID
    token_hash: str
    new_sealed: str


class UpdateProfile(Wire):
    """Username or full name change; absent stays."""

    user_id: UUID
    username: str | None = None
    full_name_sealed: str | None = None


class EraseAccount(Wire):
    """The person leaves: the person's key is destroyed, the username is freed, sessions end."""

    user_id: UUID
    password_sealed: str


class BecomeSeller(Wire):
    """The account wants the role seller; needs a verified e-mail."""

    user_id: UUID


class GrantRole(Wire):
    """An operator grants a role."""

    user_id: UUID
    role: Role


class SuspendUser(Wire):
    """An admin suspends the account: its tokens die and its commands are refused."""

    user_id: UUID
    reason: str


class ReinstateUser(Wire):
    """An admin lifts a suspension."""

    user_id: UUID
    reason: str


class FollowSeller(Wire):
    """`userId` follows `sellerId`."""

    user_id: UUID
    seller_id: UUID


class UnfollowSeller(Wire):
    """`userId` no longer follows `sellerId`."""

    user_id: UUID
    seller_id: UUID


class WatchAuction(Wire):
    """`userId` keeps an eye on an auction."""

    user_id: UUID
    auction_id: UUID


class UnwatchAuction(Wire):
    """`userId` no longer watches an auction."""

    user_id: UUID
    auction_id: UUID


# Events of accounts. `sealedEmail` and `sealedToken` open with the person's own key, as the fields `email` and `token`
# (schemas.sealed.open_for_user).


class UserRegistered(Wire):
    """A new account stands, not yet verified."""

    user_id: UUID
    username: str
    roles: list[Role]
    created_at: Time


class EmailVerificationRequested(Wire):
    """An e-mail with a verification token is to be sent."""

    user_id: UUID
    username: str
    sealed_email: str
    sealed_token: str
    expires_at: Time


class EmailVerified(Wire):
    """The person proved the address."""

    user_id: UUID


class SessionOpened(Wire):
    """Somebody logged in."""

    user_id: UUID
    session_id: UUID


class LoginFailed(Wire):
    """A wrong password was given; `failures` in a row."""

    user_id: UUID
    failures: int


class SessionRefreshed(Wire):
    """A refresh token was exchanged."""

    user_id: UUID
    session_id: UUID


class SessionRevoked(Wire):
    """A session is over; `reused` means that an old refresh token was shown again."""

    user_id: UUID
    session_id: UUID
    reason: Literal["logout", "reused", "expired"]


class SessionsRevoked(Wire):
    """All sessions but `exceptSessionId` are over."""

    user_id: UUID
    reason: Literal["logout_all", "password_changed", "password_reset", "suspended", "erased", "role_changed"]
    except_session_id: UUID | None = None


class PasswordChanged(Wire):
    """The password is another one now."""

    user_id: UUID


class PasswordResetRequested(Wire):
    """An e-mail with a reset token is to be sent."""

    user_id: UUID
    username: str
    sealed_email: str
    sealed_token: str
    expires_at: Time


class ProfileUpdated(Wire):
    """The public profile as it is now."""

    user_id: UUID
    username: str


class RoleGranted(Wire):
    """The account may do more; `roles` are all it has now."""

    user_id: UUID
    role: Role
    roles: list[Role]


class UserSuspended(Wire):
    """The account may do nothing until it is reinstated."""

    user_id: UUID
    reason: str


class UserReinstated(Wire):
    """The suspension is lifted."""

    user_id: UUID
    reason: str


class UserErased(Wire):
    """The person is gone; whoever holds facts about the user drops them."""

    user_id: UUID


class SellerFollowed(Wire):
    """`userId` follows `sellerId`."""

    user_id: UUID
    seller_id: UUID


class SellerUnfollowed(Wire):
    """`userId` no longer follows `sellerId`."""

    user_id: UUID
    seller_id: UUID


class AuctionWatched(Wire):
    """`userId` watches an auction."""

    user_id: UUID
    auction_id: UUID


class AuctionUnwatched(Wire):
    """`userId` no longer watches an auction."""

    user_id: UUID
    auction_id: UUID
