"""What the edge reads about people, from the views of accounts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from edge_api.edge import Edge
from edge_api.outage import AWAY
from schemas.envelope import print_time
from schemas.sealed import open_for_user

log = structlog.get_logger("people-views")

USER_OF_EMAIL = "SELECT user_id FROM accounts.login_lookup WHERE email_hash = $1"


async def user_of_email(edge: Edge, email_hash: str) -> UUID | None:
    """Who has this e-mail address."""
    found = await edge.row(USER_OF_EMAIL, email_hash)
    return None if found is None else UUID(str(found["user_id"]))


PROFILES = """
    SELECT id, username, avatar_path, seller_rating, rating_count, follower_count, roles, created_at
      FROM accounts.public_profile WHERE id = ANY($1)
"""


async def profiles(edge: Edge, users: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Public profiles by id; those who left are not among them."""
    return {row["id"]: _profile(edge, row) for row in await edge.rows(PROFILES, list(set(users)))}


def _profile(edge: Edge, row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "username": row["username"],
        "avatarUrl": None if row["avatar_path"] is None else edge.cdn.address(row["avatar_path"]),
        "sellerRating": None if row["seller_rating"] is None else float(row["seller_rating"]),
        "ratingCount": row["rating_count"],
        "followerCount": row["follower_count"],
        "roles": list(row["roles"]),
        "createdAt": time_text(row["created_at"]),
    }


def card(profile: dict[str, Any] | None, user_id: UUID) -> dict[str, Any]:
    """A seller as an auction shows them; of one who left only the id stays."""
    known = profile or {"username": None, "avatarUrl": None, "sellerRating": None}
    return {"id": str(user_id), **{name: known[name] for name in ("username", "avatarUrl", "sellerRating")}}


async def sellers(edge: Edge, users: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Sellers as auctions show them; an auction is shown even when their names cannot be read."""
    wanted = set(users)
    try:
        found = await profiles(edge, wanted)
    except AWAY as error:
        log.warning("sellers are shown without their names", reason=repr(error))
        found = {}
    return {user_id: card(found.get(user_id), user_id) for user_id in wanted}


async def seller_of(edge: Edge, user_id: UUID) -> dict[str, Any]:
    """One seller as an auction shows them."""
    return (await sellers(edge, [user_id]))[user_id]


OWN_PROFILE = """
    SELECT id, username, full_name_sealed, email_sealed, wrapped_key, avatar_path, seller_rating, rating_count,
           strikes, follower_count, roles, is_verified, status, created_at
      FROM accounts.own_profile WHERE id = $1
"""


async def own_profile(edge: Edge, user_id: UUID) -> dict[str, Any] | None:
    """A person's own profile, with what only they may see; None when they left."""
    row = await edge.row(OWN_PROFILE, user_id)
    if row is None:
        return None
    owner = str(user_id)
    key = edge.user_keys.unwrap(row["wrapped_key"], user_id=owner)
    return {
        **_profile(edge, row),
        "email": open_for_user(row["email_sealed"], user_key=key, user_id=owner, field="email"),
        "fullName": open_for_user(row["full_name_sealed"], user_key=key, user_id=owner, field="fullName"),
        "strikes": row["strikes"],
        "isVerified": row["is_verified"],
        "status": row["status"],
    }


FOLLOWERS = """
    SELECT follower_id, follower_username, followed_at
      FROM accounts.follow_view
     WHERE seller_id = $1 AND ($2::timestamptz IS NULL OR (followed_at, follower_id) < ($2, $3))
     ORDER BY followed_at DESC, follower_id DESC LIMIT $4
"""


async def followers(
    edge: Edge, seller_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Who follows a seller, the latest first."""
    at, follower = before or (None, None)
    return await edge.rows(FOLLOWERS, seller_id, at, follower, limit)


WATCHED = """
    SELECT auction_id, watched_at
      FROM accounts.watch_view
     WHERE user_id = $1 AND ($2::timestamptz IS NULL OR (watched_at, auction_id) < ($2, $3))
     ORDER BY watched_at DESC, auction_id DESC LIMIT $4
"""


async def watched(
    edge: Edge, user_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Which auctions a person watches, the latest first."""
    at, auction = before or (None, None)
    return await edge.rows(WATCHED, user_id, at, auction, limit)


def time_text(at: datetime) -> str:
    """A time of the database as it goes over the wire."""
    return print_time(round(at.timestamp() * 1000))
