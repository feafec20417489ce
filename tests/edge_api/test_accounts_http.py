"""Accounts over HTTP, on the whole running stack: what a person's app sees."""

import time
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from compose.settings import Settings
from edge_api.shapes import Followers, OwnProfile, Profile, Registered, Renewed, Session
from producers.person import PASSWORD, Person, Refused
from tests.conftest import NewPeople
from tests.edge_api.doorway import new_id
from tests.edge_api.real import running

pytestmark = pytest.mark.stack

NEW_PASSWORD = "another-horse-battery-8"


async def answer(person: Person, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
    return await person.http.request(method, path, json=body, headers={**person.headers, **headers})


def refusal(got: httpx.Response) -> tuple[int, str]:
    assert got.headers["content-type"] == "application/problem+json", got.text
    return got.status_code, got.json()["code"]


def registration(name: str, **more: str) -> dict[str, str]:
    return {"email": f"{name}@example.org", "password": PASSWORD, "username": name, "fullName": "Mina Harker", **more}


async def test_who_registers_is_told_what_stands(http: httpx.AsyncClient) -> None:
    name = f"mina-{uuid4().hex[:8]}"

    got = await http.post("/auth/register", json=registration(name))

    assert got.status_code == 201
    assert Registered.model_validate(got.json()).username == name
    assert got.json().keys() == {"id", "email", "username", "fullName", "isVerified", "createdAt"}
    assert (got.json()["email"], got.json()["isVerified"]) == (f"{name}@example.org", False)


async def test_an_address_and_a_name_are_given_once(http: httpx.AsyncClient) -> None:
    name, other = f"mina-{uuid4().hex[:8]}", f"anna-{uuid4().hex[:8]}"
    await http.post("/auth/register", json=registration(name))

    same_address = await http.post("/auth/register", json=registration(other, email=f"{name.upper()}@example.org"))
    same_name = await http.post("/auth/register", json=registration(name.upper(), email=f"{other}@example.org"))

    assert refusal(same_address) == (409, "email_taken")
    assert refusal(same_name) == (409, "username_taken")


async def test_registering_again_with_the_same_key_is_registering_once(http: httpx.AsyncClient) -> None:
    name, key = f"mina-{uuid4().hex[:8]}", {"Idempotency-Key": uuid4().hex}

    first = await http.post("/auth/register", json=registration(name), headers=key)
    again = await http.post("/auth/register", json=registration(name), headers=key)
    other = await http.post("/auth/register", json=registration(name, fullName="Another"), headers=key)

    assert first.status_code == 201
    assert again.json() == first.json()
    assert refusal(other) == (409, "idempotency_conflict")


async def test_a_session_has_the_shape_of_the_contract(people: NewPeople) -> None:
    [anna] = await people("anna")

    got = await anna.http.post("/auth/login", json={"email": anna.email, "password": PASSWORD})

    session = Session.model_validate(got.json())
    assert (session.expires_in, session.token_type, session.user.roles) == (86_400, "Bearer", ["buyer"])


async def test_an_unknown_and_a_wrong_login_look_the_same(people: NewPeople, http: httpx.AsyncClient) -> None:
    [anna] = await people("anna")

    wrong = await http.post("/auth/login", json={"email": anna.email, "password": "wrong-password-1"})
    unknown = await http.post("/auth/login", json={"email": f"{uuid4().hex}@example.org", "password": PASSWORD})

    assert refusal(wrong) == refusal(unknown) == (401, "invalid_credentials")
    assert {**wrong.json(), "requestId": ""} == {**unknown.json(), "requestId": ""}


async def test_guessing_is_slowed_down_and_told_for_how_long(people: NewPeople, http: httpx.AsyncClient) -> None:
    [anna] = await people("anna")
    guesses = [
        await http.post("/auth/login", json={"email": anna.email, "password": f"wrong-password-{number}"})
        for number in range(7)
    ]

    assert refusal(guesses[-1]) == (429, "too_many_attempts")
    assert int(guesses[-1].headers["retry-after"]) > 0


async def test_a_refresh_token_serves_once_and_ends_the_session_when_it_is_shown_again(people: NewPeople) -> None:
    [anna] = await people("anna")

    fresh = await anna.post("/auth/refresh", {"refreshToken": anna.refresh_token})
    with pytest.raises(Refused) as reused:
        await anna.post("/auth/refresh", {"refreshToken": anna.refresh_token})
    with pytest.raises(Refused) as ended:
        await anna.post("/auth/refresh", {"refreshToken": fresh["refreshToken"]})
    anna.access = fresh["accessToken"]

    assert (reused.value.status, reused.value.code) == (401, "token_reused")
    assert ended.value.status == 401
    assert refusal(await answer(anna, "GET", "/users/me")) == (401, "token_revoked")


async def test_a_refresh_that_is_repeated_with_its_key_gives_the_same_token(people: NewPeople) -> None:
    [anna] = await people("anna")
    body, key = {"refreshToken": anna.refresh_token}, uuid4().hex

    first = await anna.post("/auth/refresh", body, key=key)
    again = await anna.post("/auth/refresh", body, key=key)

    assert again["refreshToken"] == first["refreshToken"]
    assert (await anna.post("/auth/refresh", {"refreshToken": again["refreshToken"]}))["accessToken"]


async def test_logging_out_kills_the_token_at_once(people: NewPeople) -> None:
    [anna] = await people("anna")
    refresh_token = anna.refresh_token

    assert (await answer(anna, "POST", "/auth/logout")).json() == {"code": "logged_out"}

    assert refusal(await answer(anna, "GET", "/users/me")) == (401, "token_revoked")
    anna.access = ""
    with pytest.raises(Refused) as ended:
        await anna.post("/auth/refresh", {"refreshToken": refresh_token})
    assert ended.value.status == 401


async def test_logging_out_everywhere_kills_every_token(people: NewPeople) -> None:
    [anna] = await people("anna")
    first = anna.access
    await anna.log_in()

    await anna.post("/auth/logout-all")

    for token in (first, anna.access):
        anna.access = token
        assert refusal(await answer(anna, "GET", "/users/me")) == (401, "token_revoked")


async def test_a_repeated_login_does_not_outlive_a_changed_password(people: NewPeople, http: httpx.AsyncClient) -> None:
    [anna] = await people("anna")
    login, key = {"email": anna.email, "password": PASSWORD}, {"Idempotency-Key": uuid4().hex}
    thief = await http.post("/auth/login", json=login, headers=key)
    change = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}

    renewed = await answer(anna, "PUT", "/auth/password", change)
    again = await http.post("/auth/login", json=login, headers=key)

    assert Renewed.model_validate(renewed.json()).code == "password_changed"
    for token in (thief.json()["accessToken"], again.json()["accessToken"]):
        got = await http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
        assert refusal(got) == (401, "token_revoked")
    anna.access = renewed.json()["accessToken"]
    assert (await anna.get("/users/me"))["username"] == anna.username


async def test_the_own_profile_shows_what_the_public_one_does_not(people: NewPeople, http: httpx.AsyncClient) -> None:
    [anna] = await people("anna")

    own = OwnProfile.model_validate(await anna.get("/users/me"))
    public = (await http.get(f"/users/{anna.user_id}")).json()

    assert (own.email, own.is_verified, own.status) == (anna.email, True, "active")
    assert Profile.model_validate(public).username == anna.username
    assert public.keys().isdisjoint({"email", "fullName", "isVerified", "status"})
    assert refusal(await http.get(f"/users/{new_id()}")) == (404, "user_not_found")


async def test_a_name_changes_and_an_erased_person_is_gone(people: NewPeople, http: httpx.AsyncClient) -> None:
    [anna] = await people("anna")
    name = f"new-{uuid4().hex[:8]}"

    changed = await answer(anna, "PATCH", "/users/me", {"username": name, "fullName": "Anna Ivanova"})
    assert changed.json()["username"] == name
    assert (await anna.get("/users/me"))["fullName"] == "Anna Ivanova"
    assert refusal(await answer(anna, "DELETE", "/users/me", {"password": "wrong-password-1"})) == (
        401,
        "invalid_credentials",
    )
    assert (await answer(anna, "DELETE", "/users/me", {"password": PASSWORD})).status_code == 200

    assert refusal(await http.get(f"/users/{anna.user_id}")) == (404, "user_not_found")
    assert refusal(await answer(anna, "GET", "/users/me"))[0] == 401


async def test_following_a_seller(people: NewPeople, http: httpx.AsyncClient) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)

    told = [await anna.post(f"/users/{mina.user_id}/follow") for _ in range(2)]
    await ben.post(f"/users/{mina.user_id}/follow")
    first = (await http.get(f"/users/{mina.user_id}/followers?limit=1")).json()
    rest = (await http.get(f"/users/{mina.user_id}/followers?limit=1&cursor={first['nextCursor']}")).json()

    assert [one["code"] for one in told] == ["followed", "already_following"]
    assert [one["username"] for one in Followers.model_validate(first).model_dump()["items"]] == [ben.username]
    assert [one["username"] for one in rest["items"]] == [anna.username]
    assert rest["nextCursor"] is None
    assert refusal(await answer(anna, "POST", f"/users/{ben.user_id}/follow")) == (409, "not_a_seller")
    assert refusal(await answer(mina, "POST", f"/users/{mina.user_id}/follow")) == (403, "own_account")
    assert refusal(await answer(anna, "POST", f"/users/{new_id()}/follow")) == (404, "not_found")
    assert (await answer(anna, "DELETE", f"/users/{mina.user_id}/follow")).json() == {"code": "unfollowed"}


async def test_only_an_admin_may_suspend(people: NewPeople) -> None:
    anna, ben = await people("anna", "ben")

    assert refusal(await answer(anna, "POST", f"/users/{ben.user_id}/suspend", {"reason": "I do not like Ben."})) == (
        403,
        "not_allowed",
    )


async def test_a_token_that_claims_to_be_an_admin_s_does_not_make_one(people: NewPeople, stack: Settings) -> None:
    anna, ben = await people("anna", "ben")
    async with running(stack) as real:
        anna.access = real.edge.tokens.make(new_id(), ("admin",), str(uuid4()), at=time.time())

    got = await answer(anna, "POST", f"/users/{ben.user_id}/suspend", {"reason": "Signed by our own key."})

    assert refusal(got) == (403, "forbidden")


async def test_a_suspended_account_is_out_at_once(people: NewPeople, stack: Settings) -> None:
    [anna] = await people("anna")
    async with running(stack) as real:
        redis: Redis = real.edge.redis
        await redis.set(f"suspended:user:{anna.user_id}", "1")
        try:
            got = await answer(anna, "GET", "/users/me")
            public = await answer(anna, "GET", "/auctions")
        finally:
            await redis.delete(f"suspended:user:{anna.user_id}")

    assert refusal(got) == refusal(public) == (403, "account_suspended")


async def test_forgetting_and_resending_tell_nobody_who_has_an_account(
    people: NewPeople, http: httpx.AsyncClient
) -> None:
    [anna] = await people("anna")
    for path in ("/auth/password/forgot", "/auth/resend-verification"):
        known = await http.post(path, json={"email": anna.email})
        unknown = await http.post(path, json={"email": f"{uuid4().hex}@example.org"})
        assert (
            (known.status_code, known.json())
            == (unknown.status_code, unknown.json())
            == (
                200,
                {"code": "mail_requested"},
            )
        )


@pytest.mark.parametrize("token", ["nonsense", "af9a2b31-cfa7-4aea-abc4-2815a236f093.nonsense", "a.b.c"])
async def test_a_mailed_token_that_is_none_is_not_valid(http: httpx.AsyncClient, token: str) -> None:
    verify = await http.post("/auth/verify-email", json={"token": token})
    reset = await http.post("/auth/password/reset", json={"token": token, "password": NEW_PASSWORD})

    assert refusal(verify) == refusal(reset) == (401, "invalid_token")
