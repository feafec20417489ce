"""Profiles, following, moderation: /users/*."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from edge_api import paging, people_views
from edge_api.asked import json_response
from edge_api.asking import ask
from edge_api.auth import From, ask_secretly, seal
from edge_api.bodies import written
from edge_api.edge import edge_of
from edge_api.problems import Problem
from edge_api.routing import LIMIT, Cursor, Limit, SignedIn, UserId, need, router, says
from edge_api.shapes import Done, Followers, OwnProfile, Profile, ProfileChanged, Renewed
from schemas import users
from schemas.envelope import Wire
from schemas.users import Erasure, Moderation, ProfileChange

routes = router("users")


@routes.get("/users/me", **says("Own profile", OwnProfile, refuses=("user_not_found",)))
async def own_profile(request: Request, caller: SignedIn) -> Response:
    """The caller's profile with what only they may see."""
    found = await people_views.own_profile(edge_of(request), caller.user_id)
    if found is None:
        raise _nobody()
    return json_response(found)


@routes.patch(
    "/users/me",
    **says("Change the profile", ProfileChanged, body=True, command=True, refuses=("username_taken", "not_found")),
)
async def change_profile(request: Request, caller: SignedIn, body: ProfileChange, sender: From) -> Response:
    """Changes username or full name; what is absent stays."""
    sealed = None if body.full_name is None else seal(edge_of(request), sender, "fullNameSealed", body.full_name)
    command = users.UpdateProfile(user_id=caller.user_id, username=body.username, full_name_sealed=sealed)
    return await ask_secretly(request, sender, command, body, user_id=caller.user_id)


@routes.delete(
    "/users/me",
    **says("Leave", Done, body=True, command=True, refuses=("invalid_credentials", "too_many_attempts", "not_found")),
)
async def erase(request: Request, caller: SignedIn, body: Erasure, sender: From) -> Response:
    """Erases the person everywhere; needs the password, since it cannot be undone."""
    sealed = seal(edge_of(request), sender, "passwordSealed", body.password)
    command = users.EraseAccount(user_id=caller.user_id, password_sealed=sealed)
    return await ask_secretly(request, sender, command, body, user_id=caller.user_id)


@routes.post(
    "/users/me/seller",
    **says("Become a seller", Renewed, command=True, refuses=("email_not_verified", "not_found")),
)
async def become_seller(request: Request, caller: SignedIn, sender: From) -> Response:
    """Adds role seller; needs a confirmed e-mail address. Older access tokens die, the answer has a new one."""
    command = users.BecomeSeller(user_id=caller.user_id)
    kept = {"sessionId": caller.session_id}
    return await ask(request, sender, "BecomeSeller", caller.user_id, written(command), kept=kept)


@routes.get("/users/{user_id}", **says("Public profile", Profile, signed_in=False, refuses=("user_not_found",)))
async def profile(request: Request, user_id: UserId) -> Response:
    """What everyone may see of a person."""
    found = (await people_views.profiles(edge_of(request), [user_id])).get(user_id)
    if found is None:
        raise _nobody()
    return json_response(found)


@routes.get("/users/{user_id}/followers", **says("Followers of a seller", Followers, signed_in=False))
async def followers(request: Request, user_id: UserId, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """The latest first."""
    rows = await people_views.followers(edge_of(request), user_id, before=paging.read_place(cursor), limit=limit + 1)
    shown = [
        {
            "id": str(row["follower_id"]),
            "username": row["follower_username"],
            "followedAt": people_views.time_text(row["followed_at"]),
        }
        for row in rows
    ]
    return json_response(
        paging.page(rows, limit, shown, lambda row: paging.write_place(row["followed_at"], row["follower_id"]))
    )


@routes.post(
    "/users/{user_id}/follow",
    **says("Follow a seller", Done, command=True, refuses=("own_account", "not_found", "not_a_seller")),
)
async def follow(request: Request, user_id: UserId, caller: SignedIn, sender: From) -> Response:
    """From now on the caller hears of the seller's auctions."""
    return await _about_oneself(
        request, caller.user_id, sender, users.FollowSeller(user_id=caller.user_id, seller_id=user_id)
    )


@routes.delete("/users/{user_id}/follow", **says("Follow no longer", Done, command=True, refuses=("not_found",)))
async def unfollow(request: Request, user_id: UserId, caller: SignedIn, sender: From) -> Response:
    """The opposite of following."""
    return await _about_oneself(
        request, caller.user_id, sender, users.UnfollowSeller(user_id=caller.user_id, seller_id=user_id)
    )


@routes.post(
    "/users/{user_id}/suspend",
    **says(
        "Suspend an account (admin)", Done, body=True, command=True, refuses=("not_allowed", "forbidden", "not_found")
    ),
)
async def suspend(request: Request, user_id: UserId, caller: SignedIn, body: Moderation, sender: From) -> Response:
    """The account may do nothing more; its tokens die at once."""
    need(caller, "suspend_users")
    return await _about_oneself(request, user_id, sender, users.SuspendUser(user_id=user_id, reason=body.reason))


@routes.post(
    "/users/{user_id}/reinstate",
    **says(
        "Lift a suspension (admin)", Done, body=True, command=True, refuses=("not_allowed", "forbidden", "not_found")
    ),
)
async def reinstate(request: Request, user_id: UserId, caller: SignedIn, body: Moderation, sender: From) -> Response:
    """The account may log in again."""
    need(caller, "suspend_users")
    return await _about_oneself(request, user_id, sender, users.ReinstateUser(user_id=user_id, reason=body.reason))


async def _about_oneself(request: Request, user_id: UUID, sender: From, command: Wire) -> Response:
    return await ask(request, sender, type(command).__name__, user_id, written(command))


def _nobody() -> Problem:
    return Problem("user_not_found", "There is no such user.")
