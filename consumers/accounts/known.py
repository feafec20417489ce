"""What one batch knows: read before it is decided, changed as it is decided; the difference is what is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from consumers.accounts import store
from consumers.accounts.account import Account, State, Told, evolve, username_key
from consumers.accounts.facts import MODERATION, Standing
from consumers.runtime import Database, Incoming
from schemas import users


class Owners:
    """Whose names of one kind (e-mail hashes, usernames) are: as read, and as they are by now."""

    def __init__(self, read: dict[str, UUID]) -> None:
        self._read: dict[str, UUID | None] = dict(read)
        self._now: dict[str, UUID | None] = dict(read)

    def taken(self, name: str, *, by_other_than: UUID) -> bool:
        """Whether somebody else has the name."""
        return self._now.get(name) not in {None, by_other_than}

    def give(self, name: str, owner: UUID) -> None:
        """The name is the owner's now."""
        self._now[name] = owner

    def free(self, name: str, owner: UUID) -> None:
        """The owner's name is nobody's now."""
        self._read.setdefault(name, owner)
        self._now[name] = None

    def freed(self) -> list[tuple[str, UUID]]:
        """Names and who had them, sorted: two batches that wait for each other do so in one order."""
        return sorted((name, owner) for name, owner in self._read.items() if owner and self._now[name] != owner)

    def given(self) -> list[tuple[str, UUID]]:
        """Names and who has them new, sorted."""
        return sorted((name, owner) for name, owner in self._now.items() if owner and self._read.get(name) != owner)


Pairs = dict[tuple[UUID, UUID], int | None]
"""(user, seller or auction) -> since when (ms), None when no longer."""


@dataclass
class Known:
    """The accounts of a batch and what their decisions look at."""

    read: dict[UUID, State]
    keys: dict[UUID, str]
    """Wrapped keys of people."""
    emails: Owners
    usernames: Owners
    others: dict[UUID, Standing]
    follows: set[tuple[UUID, UUID]]
    watches: set[tuple[UUID, UUID]]
    now: dict[UUID, State] = field(init=False)
    touched_ms: dict[UUID, int] = field(default_factory=dict)
    """When something last happened to an account."""
    follows_changed: Pairs = field(default_factory=dict)
    watches_changed: Pairs = field(default_factory=dict)
    keys_made: set[UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.now = dict(self.read)

    def standing(self, user_id: UUID) -> Standing | None:
        """What somebody is now, None if there is no such account."""
        state = self.now.get(user_id)
        if state is None:
            return self.others.get(user_id)
        return Standing(state.roles, state.suspended) if isinstance(state, Account) else None

    def note(self, user_id: UUID, told: Told, at_ms: int) -> None:
        """Something happened."""
        before = self.now[user_id]
        after = self.now[user_id] = evolve(before, told, at_ms)
        self.touched_ms[user_id] = at_ms
        self._names(user_id, before, after)
        match told.event:
            case users.SellerFollowed(seller_id=seller_id):
                self.follows.add((user_id, seller_id))
                self.follows_changed[user_id, seller_id] = at_ms
            case users.SellerUnfollowed(seller_id=seller_id):
                self.follows.discard((user_id, seller_id))
                self.follows_changed[user_id, seller_id] = None
            case users.AuctionWatched(auction_id=auction_id):
                self.watches.add((user_id, auction_id))
                self.watches_changed[user_id, auction_id] = at_ms
            case users.AuctionUnwatched(auction_id=auction_id):
                self.watches.discard((user_id, auction_id))
                self.watches_changed[user_id, auction_id] = None

    def _names(self, user_id: UUID, before: State, after: State) -> None:
        had = _names_of(before)
        has = _names_of(after)
        if had == has:
            return
        if had:
            self.emails.free(had[0], user_id)
            self.usernames.free(had[1], user_id)
        if has:
            self.emails.give(has[0], user_id)
            self.usernames.give(has[1], user_id)


def _names_of(state: State) -> tuple[str, str] | None:
    return (state.email_hash, username_key(state.username)) if isinstance(state, Account) else None


async def know(batch: Sequence[Incoming], db: Database) -> Known:
    """Read all that deciding a batch looks at."""
    bodies = [incoming.body for incoming in batch]
    presented = {(b.session_id, b.presented_hash) for b in bodies if isinstance(b, users.RefreshSession)}
    follows = {(b.user_id, b.seller_id) for b in bodies if isinstance(b, users.FollowSeller | users.UnfollowSeller)}
    watches = {(b.user_id, b.auction_id) for b in bodies if isinstance(b, users.WatchAuction | users.UnwatchAuction)}
    emails = {b.email_hash for b in bodies if isinstance(b, users.RegisterUser)}
    usernames = {
        username_key(b.username)
        for b in bodies
        if isinstance(b, users.RegisterUser | users.UpdateProfile) and b.username is not None
    }
    others = {seller_id for _, seller_id in follows} | _speakers(batch)
    ids = {incoming.aggregate for incoming in batch}
    states = await store.load_accounts(db, ids)
    return Known(
        read=_with_spent(states, await store.load_spent(db, presented) if presented else set()),
        keys=await store.load_keys(db, ids),
        emails=Owners(await store.load_email_owners(db, emails) if emails else {}),
        usernames=Owners(await store.load_username_owners(db, usernames) if usernames else {}),
        others=await store.load_standings(db, others) if others else {},
        follows=await store.load_follows(db, follows) if follows else set(),
        watches=await store.load_watches(db, watches) if watches else set(),
    )


def speaker_id(incoming: Incoming) -> UUID | None:
    """The account of the one who speaks; one of our own processes has none."""
    if incoming.actor is None or incoming.actor.is_system:
        return None
    try:
        return UUID(incoming.actor.id)
    except ValueError:
        return None


def _speakers(batch: Sequence[Incoming]) -> set[UUID]:
    speakers = (speaker_id(incoming) for incoming in batch if isinstance(incoming.body, MODERATION))
    return {speaker for speaker in speakers if speaker is not None}


def _with_spent(states: dict[UUID, State], spent: set[tuple[UUID, str]]) -> dict[UUID, State]:
    hashes: dict[UUID, set[str]] = {}
    for session_id, refresh_hash in spent:
        hashes.setdefault(session_id, set()).add(refresh_hash)
    return {key: _account_with_spent(state, hashes) for key, state in states.items()}


def _account_with_spent(state: State, hashes: dict[UUID, set[str]]) -> State:
    if not isinstance(state, Account) or hashes.keys().isdisjoint(state.sessions):
        return state
    sessions = {key: replace(session, spent=frozenset(hashes.get(key, ()))) for key, session in state.sessions.items()}
    return replace(state, sessions=sessions)
