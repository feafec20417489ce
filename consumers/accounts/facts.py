"""What a decision needs to know beyond the account: found, opened, hashed or drawn beforehand, since deciding itself does none of it."""

from dataclasses import dataclass
from typing import Any

from consumers.accounts.account import Credentials, Told
from schemas import users
from schemas.envelope import Actor, Outcome
from schemas.users import Role

PUBLIC = (
    users.RegisterUser
    | users.VerifyEmail
    | users.ResendVerification
    | users.LogIn
    | users.RefreshSession
    | users.ForgotPassword
    | users.ResetPassword
)
"""Commands of people who need not have logged in; their proof is in the command itself."""
MODERATION = users.GrantRole | users.SuspendUser | users.ReinstateUser
"""Commands of admins and operators about somebody else's account."""
OWN = (
    users.LogOut
    | users.LogOutAll
    | users.ChangePassword
    | users.EraseAccount
    | users.UpdateProfile
    | users.BecomeSeller
    | users.FollowSeller
    | users.UnfollowSeller
    | users.WatchAuction
    | users.UnwatchAuction
)
"""Commands of a person about the own account."""
Command = PUBLIC | MODERATION | OWN


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A seal of the command does not open: it was made for another command or field, or with an unknown key."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A token ready to go out: e-mail and token sealed for the event, and the token's SHA-256 (hex)."""

    sealed_email: str
    sealed_token: str
    token_hash: str


@dataclass(frozen=True, slots=True)
class Registering:
    """What a new account would be stored with, and whether its names are free."""

    credentials: Credentials
    mail: Mail
    email_taken: bool
    username_taken: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether the password shown is the account's."""

    fits: bool


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """Whether the current password is right, and the hash of the new one."""

    fits: bool
    password_hash: str


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """The hash of the new password."""

    password_hash: str


@dataclass(frozen=True, slots=True)
class Renaming:
    """Whether the username belongs to somebody else, and the sealed full name when it is another one."""

    username_taken: bool
    full_name_sealed: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What another account is now; a token's roles may be a day old."""

    roles: tuple[Role, ...]
    suspended: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """The account of the one who speaks, None if there is none."""

    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Seller:
    """The account to be followed, None if there is none, and whether it is followed already."""

    standing: Standing | None
    followed: bool


@dataclass(frozen=True, slots=True)
class Watching:
    """Whether the auction is watched already."""

    watched: bool


Facts = (
    Unreadable | Registering | Mail | Proof | PasswordChange | PasswordReset | Renaming | Speaker | Seller | Watching
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, who speaks, and the facts it needs."""

    command: Command
    actor: Actor | None
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to a command, and what happened by it."""

    outcome: Outcome
    code: str
    answer: dict[str, Any]
    told: tuple[Told, ...] = ()


def accepted(code: str, *told: Told, **answer: Any) -> Decided:
    """It is done."""
    return Decided("accepted", code, answer, told)


def refused(code: str, *told: Told, **answer: Any) -> Decided:
    """It is not done, for the reason that `code` names."""
    return Decided("refused", code, answer, told)


def nothing(code: str, **answer: Any) -> Decided:
    """It is so already."""
    return Decided("no_op", code, answer)
