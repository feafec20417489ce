"""A good example of every command to accounts, and a story told with them."""

from typing import Any
from uuid import UUID

from consumers.accounts.account import Account, Credentials, Nobody, State, evolve
from consumers.accounts.decide import decide
from consumers.accounts.facts import (
    Asked,
    Command,
    Decided,
    Facts,
    Mail,
    PasswordChange,
    PasswordReset,
    Proof,
    Registering,
    Renaming,
    Seller,
    Speaker,
    Standing,
    Watching,
)
from schemas import users
from schemas.envelope import Actor

ANNA = UUID("5b0c6f5e-4f0a-4a5b-8f38-6f1d2f7a9c02")
SAM = UUID("9a3e1d7c-2b46-4e0f-8c59-1e7b3a6d5f03")
ADA = UUID("0e4b6a19-63f1-4c0e-9d5a-1b7f7e2d3c04")
LAMP = UUID("0d8f3c1e-5a57-4b7e-9f0e-2f6c8a1b4d01")
PHONE = UUID("6fa459ea-ee8a-4ca4-894e-db77e160355e")
TABLET = UUID("1fa459ea-ee8a-4ca4-894e-db77e160355e")

Asking = tuple[Command, Facts | None]
"""A command and the facts it is decided with."""

NOON = 1_763_899_200_000
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

ADMIN = Standing(("buyer", "admin"), suspended=False)
SELLER = Standing(("buyer", "seller"), suspended=False)
BUYER = Standing(("buyer",), suspended=False)
CLI = Actor("cli", ("system",))


def person(user_id: UUID, *roles: str) -> Actor:
    """Somebody logged in."""
    return Actor(str(user_id), roles or ("buyer",))


def mail(token: str) -> Mail:
    """A token on its way; its hash is its name."""
    return Mail("sealed address", f"sealed {token}", token)


def registration(
    username: str = "anna", *, token: str = "verify-1", email_taken: bool = False, username_taken: bool = False
) -> Asking:
    """Anna registers."""
    command = users.RegisterUser(
        user_id=ANNA,
        email_hash="hash of anna@home.example",
        email_sealed="on its way",
        username=username,
        full_name_sealed="on its way",
        password_sealed="on its way",
    )
    credentials = Credentials(command.email_hash, "sealed address", "sealed name", "argon2 of the first")
    facts = Registering(
        credentials,
        mail(token),
        email_taken=email_taken,
        username_taken=username_taken,
    )
    return command, facts


def login(*, right: bool = True, session: UUID = PHONE, refresh: str = "refresh-1") -> Asking:
    """Anna logs in."""
    return (
        users.LogIn(user_id=ANNA, password_sealed="s", session_id=session, refresh_hash=refresh),
        Proof(fits=right),
    )


def refresh(presented: str, following: str, *, session: UUID = PHONE) -> Asking:
    """Anna's phone exchanges its refresh token."""
    return (
        users.RefreshSession(user_id=ANNA, session_id=session, presented_hash=presented, next_hash=following),
        None,
    )


def verification(token: str = "verify-1") -> Asking:
    """The token of the e-mail came back."""
    return users.VerifyEmail(user_id=ANNA, token_hash=token), None


def resend(token: str = "verify-2") -> Asking:
    """Another verification e-mail is wanted."""
    return users.ResendVerification(user_id=ANNA), mail(token)


def forgotten(token: str = "reset-1") -> Asking:
    """A reset e-mail is wanted."""
    return users.ForgotPassword(user_id=ANNA), mail(token)


def reset(token: str = "reset-1") -> Asking:
    """The reset token came back with a new password."""
    return (
        users.ResetPassword(user_id=ANNA, token_hash=token, new_sealed="s"),
        PasswordReset("argon2 of the second"),
    )


def change_password(*, right: bool = True, session: UUID = PHONE) -> Asking:
    """Anna wants another password."""
    command = users.ChangePassword(user_id=ANNA, session_id=session, current_sealed="s", new_sealed="s")
    return command, PasswordChange(fits=right, password_hash="argon2 of the second")


def erasure(*, right: bool = True) -> Asking:
    """Anna leaves."""
    return users.EraseAccount(user_id=ANNA, password_sealed="s"), Proof(fits=right)


def rename(username: str | None = None, *, full_name: str | None = None, taken: bool = False) -> Asking:
    """Anna wants another name."""
    return users.UpdateProfile(user_id=ANNA, username=username, full_name_sealed=full_name), Renaming(taken, full_name)


def become_seller() -> Asking:
    """Anna wants to sell."""
    return users.BecomeSeller(user_id=ANNA), None


def grant(role: users.Role = "seller", *, by: Standing | None = ADMIN) -> Asking:
    """Somebody gives Anna a role."""
    return users.GrantRole(user_id=ANNA, role=role), Speaker(by)


def suspension(*, by: Standing | None = ADMIN) -> Asking:
    """Somebody suspends Anna."""
    return users.SuspendUser(user_id=ANNA, reason="sold a lamp twice"), Speaker(by)


def reinstatement(*, by: Standing | None = ADMIN) -> Asking:
    """Somebody lifts Anna's suspension."""
    return users.ReinstateUser(user_id=ANNA, reason="it was two lamps"), Speaker(by)


def follow(seller: UUID = SAM, *, who: Standing | None = SELLER, followed: bool = False) -> Asking:
    """Anna follows Sam."""
    return users.FollowSeller(user_id=ANNA, seller_id=seller), Seller(who, followed)


def unfollow(*, followed: bool = True) -> Asking:
    """Anna follows Sam no longer."""
    return users.UnfollowSeller(user_id=ANNA, seller_id=SAM), Seller(SELLER, followed)


def watch(*, watched: bool = False) -> Asking:
    """Anna keeps an eye on the lamp."""
    return users.WatchAuction(user_id=ANNA, auction_id=LAMP), Watching(watched)


def unwatch(*, watched: bool = True) -> Asking:
    """Anna watches the lamp no longer."""
    return users.UnwatchAuction(user_id=ANNA, auction_id=LAMP), Watching(watched)


class Story:
    """An account and what is asked of it, one command after the other."""

    def __init__(self) -> None:
        """Nobody is there yet; it is noon."""
        self.state: State = Nobody()
        self.at_ms = NOON
        self.told: list[Any] = []

    @property
    def account(self) -> Account:
        """The account as it is now."""
        assert isinstance(self.state, Account)
        return self.state

    def later(self, by_ms: int) -> "Story":
        """Time passes."""
        self.at_ms += by_ms
        return self

    def ask(self, asked: Asking, *, by: Actor | None = None) -> Decided:
        """One command; what happens by it happened. Anna speaks unless somebody else is named."""
        decided = decide(self.state, Asked(asked[0], by or person(ANNA), asked[1]), self.at_ms)
        for told in decided.told:
            self.state = evolve(self.state, told, self.at_ms)
            self.told.append(told.event)
        return decided

    def asked(self, *all_asked: Asking) -> "Story":
        """Several commands that must be accepted."""
        for asked in all_asked:
            decided = self.ask(asked)
            assert decided.outcome == "accepted", decided
        return self


def registered() -> Story:
    """Anna has registered."""
    return Story().asked(registration())


def verified() -> Story:
    """Anna has proved her address."""
    return registered().asked(verification())


def logged_in() -> Story:
    """Anna is logged in on her phone."""
    return verified().asked(login())


def names(decided: Decided) -> list[str]:
    """What happened, by name."""
    return [type(told.event).__name__ for told in decided.told]
