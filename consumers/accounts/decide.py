"""What an account does with a command. No clock, no random, no database, no broker."""

from consumers.accounts import access, mailing, profile
from consumers.accounts.account import Account, Nobody, State, Told, instant
from consumers.accounts.facts import (
    MODERATION,
    PUBLIC,
    Asked,
    Decided,
    Mail,
    PasswordChange,
    PasswordReset,
    Proof,
    Registering,
    Renaming,
    Seller,
    Speaker,
    Unreadable,
    Watching,
    accepted,
    refused,
)
from schemas import users
from schemas.envelope import print_time


def decide(state: State, asked: Asked, at_ms: int) -> Decided:
    """The answer to a command and what happens by it; `at_ms` is when it was asked."""
    if isinstance(asked.facts, Unreadable):
        return refused("unreadable_seal")
    if isinstance(asked.command, PUBLIC):
        return _public(state, asked, at_ms)
    if refusal := _not_permitted(asked):
        return refusal
    if not isinstance(state, Account):
        return refused("not_found")
    if isinstance(asked.command, MODERATION):
        return _moderated(state, asked, at_ms)
    if state.suspended:
        return refused("account_suspended")
    return _own(state, asked, at_ms)


def _public(state: State, asked: Asked, at_ms: int) -> Decided:
    match asked.command, asked.facts:
        case users.RegisterUser() as command, Registering() as new:
            return _register(state, command, new, at_ms)
        case users.VerifyEmail() as command, None:
            return mailing.verify(state, command, at_ms)
        case users.ResendVerification(), Mail() | None as mail:
            return mailing.resend(state, mail, at_ms)
        case users.ForgotPassword(), Mail() | None as mail:
            return mailing.forgot(state, mail, at_ms)
        case users.ResetPassword() as command, PasswordReset() as new:
            return mailing.reset(state, command, new, at_ms)
        case users.LogIn() as command, Proof() as proof:
            return access.log_in(state, command, proof, at_ms)
        case users.RefreshSession() as command, None:
            return access.refresh(state, command, at_ms)
        case _:
            raise _missing(asked)


def _own(account: Account, asked: Asked, at_ms: int) -> Decided:
    match asked.command, asked.facts:
        case users.LogOut() as command, None:
            return access.log_out(account, command)
        case users.LogOutAll(), None:
            return access.log_out_all(account)
        case users.ChangePassword() as command, PasswordChange() as change:
            return access.change_password(account, command, change, at_ms)
        case users.EraseAccount() as command, Proof() as proof:
            return access.erase(account, command, proof, at_ms)
        case users.UpdateProfile() as command, Renaming() as names:
            return profile.rename(account, command, names)
        case users.BecomeSeller(), None:
            return profile.grant(account, "seller", at_ms)
        case users.FollowSeller() as command, Seller() as seller:
            return profile.follow(account, command, seller)
        case users.UnfollowSeller() as command, Seller() as seller:
            return profile.unfollow(account, command, seller)
        case users.WatchAuction() as command, Watching() as watching:
            return profile.watch(account, command, watching)
        case users.UnwatchAuction() as command, Watching() as watching:
            return profile.unwatch(account, command, watching)
        case _:
            raise _missing(asked)


def _moderated(account: Account, asked: Asked, at_ms: int) -> Decided:
    match asked.command:
        case users.GrantRole() as command:
            return profile.grant(account, command.role, at_ms)
        case users.SuspendUser() as command:
            return profile.suspend(account, command)
        case users.ReinstateUser() as command:
            return profile.reinstate(account, command)
        case _:
            raise _missing(asked)


def _register(state: State, command: users.RegisterUser, new: Registering, at_ms: int) -> Decided:
    if not isinstance(state, Nobody):
        return refused("id_taken")
    if new.email_taken:
        return refused("email_taken")
    if new.username_taken:
        return refused("username_taken")
    registered = users.UserRegistered(
        user_id=command.user_id, username=command.username, roles=["buyer"], created_at=instant(at_ms)
    )
    return accepted(
        "registered",
        Told(registered, new.credentials),
        mailing.verification_mail(command.user_id, command.username, new.mail, at_ms),
        id=str(command.user_id),
        username=command.username,
        roles=["buyer"],
        isVerified=False,
        createdAt=print_time(at_ms),
    )


def _not_permitted(asked: Asked) -> Decided | None:
    """Why the one who speaks may not ask this, as far as it does not hang on the account that is asked."""
    actor, user_id = asked.actor, str(asked.command.user_id)
    if not isinstance(asked.command, MODERATION):
        return None if actor is not None and actor.id == user_id else refused("forbidden")
    if actor is None:
        return refused("forbidden")
    if actor.is_system:
        return None
    standing = asked.facts.standing if isinstance(asked.facts, Speaker) else None
    if not actor.is_admin or standing is None or "admin" not in standing.roles:
        return refused("forbidden")
    if standing.suspended:
        return refused("account_suspended")
    if actor.id == user_id:
        return refused("own_account")
    return None


def _missing(asked: Asked) -> TypeError:
    return TypeError(f"{type(asked.command).__name__} cannot be decided with {type(asked.facts).__name__}")
