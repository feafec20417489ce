"""What others see of an account and may do to it: its name, its roles, its standing, its followers."""

from consumers.accounts.account import Account, NewName, Told
from consumers.accounts.facts import Decided, Renaming, Seller, Watching, accepted, nothing, refused
from schemas.users import (
    AuctionUnwatched,
    AuctionWatched,
    FollowSeller,
    ProfileUpdated,
    ReinstateUser,
    Role,
    RoleGranted,
    SellerFollowed,
    SellerUnfollowed,
    SessionsRevoked,
    SuspendUser,
    UnfollowSeller,
    UnwatchAuction,
    UpdateProfile,
    UserReinstated,
    UserSuspended,
    WatchAuction,
)


def rename(account: Account, command: UpdateProfile, names: Renaming) -> Decided:
    """Another username or full name."""
    if names.username_taken:
        return refused("username_taken")
    username = command.username if command.username is not None else account.username
    answer = {"id": str(account.id), "username": username}
    if username == account.username and names.full_name_sealed is None:
        return nothing("unchanged", **answer)
    kept = NewName(names.full_name_sealed or account.full_name_sealed)
    return accepted("profile_updated", Told(ProfileUpdated(user_id=account.id, username=username), kept), **answer)


def grant(account: Account, role: Role, at_ms: int) -> Decided:
    """One role more; roles beyond buyer need a person who can be reached."""
    if role in account.roles:
        return nothing("already_granted", roles=list(account.roles), decidedAt=at_ms)
    if not account.verified:
        return refused("email_not_verified")
    roles = [*account.roles, role]
    granted = Told(RoleGranted(user_id=account.id, role=role, roles=roles))
    return accepted("role_granted", granted, roles=roles, decidedAt=at_ms)


def suspend(account: Account, command: SuspendUser) -> Decided:
    """The account may do nothing more."""
    if account.suspended:
        return nothing("already_suspended")
    return accepted(
        "suspended",
        Told(UserSuspended(user_id=account.id, reason=command.reason)),
        Told(SessionsRevoked(user_id=account.id, reason="suspended")),
    )


def reinstate(account: Account, command: ReinstateUser) -> Decided:
    """The account may do again what it could; it has to log in anew."""
    if not account.suspended:
        return nothing("not_suspended")
    return accepted("reinstated", Told(UserReinstated(user_id=account.id, reason=command.reason)))


def follow(account: Account, command: FollowSeller, seller: Seller) -> Decided:
    """Follow a seller; only sellers can be followed, and not by themselves."""
    if command.seller_id == account.id:
        return refused("own_account")
    if seller.followed:
        return nothing("already_following")
    if seller.standing is None:
        return refused("not_found")
    if "seller" not in seller.standing.roles:
        return refused("not_a_seller")
    return accepted("followed", Told(SellerFollowed(user_id=account.id, seller_id=command.seller_id)))


def unfollow(account: Account, command: UnfollowSeller, seller: Seller) -> Decided:
    """Follow a seller no longer."""
    if not seller.followed:
        return nothing("not_following")
    return accepted("unfollowed", Told(SellerUnfollowed(user_id=account.id, seller_id=command.seller_id)))


def watch(account: Account, command: WatchAuction, watching: Watching) -> Decided:
    """Keep an eye on an auction."""
    if watching.watched:
        return nothing("already_watching")
    return accepted("watched", Told(AuctionWatched(user_id=account.id, auction_id=command.auction_id)))


def unwatch(account: Account, command: UnwatchAuction, watching: Watching) -> Decided:
    """Watch an auction no longer."""
    if not watching.watched:
        return nothing("not_watching")
    return accepted("unwatched", Told(AuctionUnwatched(user_id=account.id, auction_id=command.auction_id)))
