"""Decides the commands of one partition: looks up what deciding needs, decides in order, and says what is to be written and told."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from consumers.accounts.account import Account, Credentials, State, Told, username_key
from consumers.accounts.decide import decide
from consumers.accounts.facts import (
    MODERATION,
    Asked,
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
    Unreadable,
    Watching,
    refused,
)
from consumers.accounts.history import write_history
from consumers.accounts.known import Known, know, speaker_id
from consumers.accounts.passwords import Passwords
from consumers.accounts.prepare import FullName, NewPerson, Shown, draw_mail
from consumers.accounts.writes import writes_of
from consumers.runtime import Database, Decision, Incoming, OutEvent, Remembered, Verdict, event
from schemas import users
from schemas.envelope import print_time
from schemas.sealed import UserKeys, open_for_user, seal_for_user


class AccountsDesk:
    """Keeps nothing between two batches: every batch reads its accounts anew."""

    def __init__(self, keys: UserKeys, passwords: Passwords) -> None:
        self._keys = keys
        self._passwords = passwords

    async def decide(self, batch: Sequence[Incoming], earlier: Mapping[UUID, Remembered], db: Database) -> Verdict:
        """Decide a batch in its order."""
        known = await know(batch, db)
        decisions = [await self._decision(incoming, earlier, known) for incoming in batch]
        return Verdict(decisions=decisions, writes=writes_of(known))

    async def _decision(self, incoming: Incoming, earlier: Mapping[UUID, Remembered], known: Known) -> Decision:
        if incoming.id in earlier:
            return _said(incoming, refused("idempotency_conflict"))
        if incoming.body.user_id != incoming.aggregate:
            return _said(incoming, refused("wrong_key"))
        state = known.now[incoming.aggregate]
        facts = await self._facts(incoming, state, known)
        decided = decide(state, Asked(incoming.body, incoming.actor, facts), incoming.at_ms)
        if not decided.told:
            return _said(incoming, decided)
        return self._told(incoming, decided, known)

    def _told(self, incoming: Incoming, decided: Decided, known: Known) -> Decision:
        user_id = incoming.aggregate
        if isinstance(incoming.prepared, NewPerson):
            known.keys[user_id] = self._keys.wrap(incoming.prepared.key, user_id=str(user_id))
            known.keys_made.add(user_id)
        first = known.now[user_id].sequence + 1
        for told in decided.told:
            known.note(user_id, told, incoming.at_ms)
        if known.now[user_id].sequence < first:
            return _said(incoming, decided)  # It happened to nobody: counted, but told to no one.
        history = write_history(decided.told, key=self._key(user_id, known), user_id=user_id, command_id=incoming.id)
        return _said(incoming, decided, events=_events(incoming, decided.told, first), history=history)

    async def _facts(self, incoming: Incoming, state: State, known: Known) -> Facts | None:
        body, prepared, user_id = incoming.body, incoming.prepared, incoming.aggregate
        match body, prepared:
            case _, Unreadable() | PasswordReset():
                return prepared
            case users.RegisterUser(), NewPerson():
                return self._registering(body, prepared, known)
            case users.LogIn() | users.EraseAccount() | users.ChangePassword(), Shown():
                return await self._password(prepared, state, incoming.at_ms)
            case users.UpdateProfile(), FullName():
                return self._renaming(body, prepared, state, known)
            case users.ResendVerification() | users.ForgotPassword(), None:
                return self._mail(state, known) if isinstance(state, Account) else None
            case users.FollowSeller() | users.UnfollowSeller(), None:
                pair = (user_id, body.seller_id)
                return Seller(known.standing(body.seller_id), followed=pair in known.follows)
            case users.WatchAuction() | users.UnwatchAuction(), None:
                return Watching(watched=(user_id, body.auction_id) in known.watches)
            case _ if isinstance(body, MODERATION):
                speaker = speaker_id(incoming)
                return Speaker(known.standing(speaker) if speaker else None)
            case _:
                return None

    def _registering(self, command: users.RegisterUser, person: NewPerson, known: Known) -> Registering:
        user_id = command.user_id
        key, name = person.key, str(user_id)
        email_sealed = seal_for_user(person.email, user_key=key, user_id=name, field="email")
        full_name_sealed = seal_for_user(person.full_name, user_key=key, user_id=name, field="fullName")
        return Registering(
            Credentials(command.email_hash, email_sealed, full_name_sealed, person.password_hash),
            draw_mail(user_id, email_sealed, key),
            email_taken=known.emails.taken(command.email_hash, by_other_than=user_id),
            username_taken=known.usernames.taken(username_key(command.username), by_other_than=user_id),
        )

    def _mail(self, account: Account, known: Known) -> Mail:
        return draw_mail(account.id, account.email_sealed, self._key(account.id, known))

    async def _password(self, shown: Shown, state: State, at_ms: int) -> Proof | PasswordChange:
        # While an account waits after wrong passwords none is looked at: guessing must not cost us the hashing.
        fits = False
        if not state.attempts.wait_s(at_ms):
            stored = state.password_hash if isinstance(state, Account) else None
            fits = await self._passwords.fits(shown.password, stored)
        return Proof(fits) if shown.new_hash is None else PasswordChange(fits, shown.new_hash)

    def _renaming(self, command: users.UpdateProfile, name: FullName, state: State, known: Known) -> Renaming:
        user_id = command.user_id
        taken = command.username is not None and known.usernames.taken(
            username_key(command.username), by_other_than=user_id
        )
        if name.text is None or not isinstance(state, Account):
            return Renaming(taken, None)
        key = self._key(user_id, known)
        had = open_for_user(state.full_name_sealed, user_key=key, user_id=str(user_id), field="fullName")
        if name.text == had:
            return Renaming(taken, None)
        return Renaming(taken, seal_for_user(name.text, user_key=key, user_id=str(user_id), field="fullName"))

    def _key(self, user_id: UUID, known: Known) -> bytes:
        return self._keys.unwrap(known.keys[user_id], user_id=str(user_id))


def _said(
    incoming: Incoming, decided: Decided, events: Sequence[OutEvent] = (), history: bytes | None = None
) -> Decision:
    return Decision(
        incoming,
        decided.outcome,
        decided.code,
        answer=msgspec.json.encode(decided.answer),
        events=events,
        facts=history,
    )


def _events(incoming: Incoming, told: Sequence[Told], first: int) -> list[OutEvent]:
    at = print_time(incoming.at_ms)
    return [
        event(
            type(one.event).__name__,
            aggregate=incoming.aggregate,
            sequence=sequence,
            at=at,
            data=one.event.model_dump_json(by_alias=True).encode(),
        )
        for sequence, one in enumerate(told, first)
    ]
