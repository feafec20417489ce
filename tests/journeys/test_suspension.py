"""An admin suspends an account and lifts it again: its tokens die at once, nobody takes its commands, its sockets close."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from compose.settings import Settings
from producers.operator import grant_role
from producers.person import Person, Refused
from schemas.envelope import Actor
from tests.conftest import NewPeople
from tests.consumers.bids.talk import Talk, lamp
from tests.edge_api.test_live_stack import offer, page
from tests.edge_api.waiting import found

pytestmark = pytest.mark.stack

FORBIDDEN = 4003


@pytest.fixture
async def talk(stack: Settings) -> AsyncIterator[Talk]:
    """A way to the workers past the edge."""
    opened = Talk(stack)
    await opened.open()
    yield opened
    await opened.close()


async def admin_of(people: NewPeople, stack: Settings) -> Person:
    """Somebody whom an operator made an admin."""
    [ada] = await people("ada")
    await grant_role(stack, ada.username, "admin")
    await ada.log_in()
    return ada


async def refused(person: Person, method: str, path: str, body: object = None) -> tuple[int, str]:
    """The status and code with which it is refused."""
    with pytest.raises(Refused) as refusal:
        await person.request(method, path, body)
    return refusal.value.status, refusal.value.code


async def test_a_suspended_account_may_do_nothing_anywhere_until_it_is_reinstated(
    people: NewPeople, stack: Settings, talk: Talk
) -> None:
    ada = await admin_of(people, stack)
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    await anna.bid(auction, amount=120)

    async with page(anna, auction) as hers, page(ben, auction) as his:
        await hers.event("snapshot")
        await his.event("snapshot")
        suspended = await ada.post(f"/users/{anna.user_id}/suspend", {"reason": "sold a lamp twice"})
        assert suspended["code"] == "suspended"

        said = [
            await refused(anna, "GET", "/users/me"),
            await refused(anna, "POST", f"/auctions/{auction}/bids", {"amount": 200}),
            await refused(anna, "POST", "/live/ticket", {}),
        ]
        assert {status for status, _ in said} <= {401, 403}
        assert {code for _, code in said} <= {"account_suspended", "token_revoked"}
        stranger = Person(anna.http, anna.username)
        assert await refused(stranger, "POST", "/auth/refresh", {"refreshToken": anna.refresh_token}) in (
            (401, "invalid_token"),
            (401, "session_ended"),
            (403, "account_suspended"),
        )
        with pytest.raises(Refused, match="account_suspended"):
            await stranger.log_in()
        async with asyncio.timeout(10):
            await hers.socket.wait_closed()
        assert hers.socket.close_code == FORBIDDEN

        # Bids that stand keep standing, and nobody else notices.
        assert (await ben.get(f"/auctions/{auction}"))["currentBid"] == 120
        await ben.bid(auction, amount=130)
        await his.heard(lambda frame: frame["data"].get("amount") == 130)

    # Also the worker that decides about bids refuses, whatever the edge would let pass.
    actor = Actor(anna.user_id, ("buyer", "seller"))

    async def code_of_a_bid() -> str:
        return (await talk.say("PlaceBid", UUID(auction), {"amount": 999}, by=actor)).code

    async def is_refused() -> bool | None:
        return await code_of_a_bid() == "account_suspended" or None

    await found(is_refused)
    assert (await talk.say("CreateAuction", uuid4(), lamp(), by=actor)).code == "account_suspended"

    assert (await ada.post(f"/users/{anna.user_id}/reinstate", {"reason": "two lamps"}))["code"] == "reinstated"
    await refused(anna, "GET", "/users/me")  # What died stays dead.
    await stranger.log_in()
    assert (await stranger.get("/users/me"))["status"] == "active"

    async def may_bid() -> bool | None:
        return (await stranger.try_to_bid(auction, 1500))["code"] in ("leading", "maximum_raised") or None

    assert await found(may_bid)


async def test_what_a_suspended_seller_offers_leaves_the_list_within_two_seconds_and_comes_back(
    people: NewPeople, stack: Settings
) -> None:
    ada = await admin_of(people, stack)
    mina, ben = await people("mina", "ben", sellers=1)
    auction = await offer(mina)

    async def listed(times: int) -> bool | None:
        shown = (await ben.get(f"/auctions?seller={mina.user_id}"))["items"]
        return [one["id"] for one in shown] == [auction] * times or None

    assert await found(lambda: listed(1))
    await ada.post(f"/users/{mina.user_id}/suspend", {"reason": "never ships"})
    assert await asyncio.wait_for(found(lambda: listed(0)), 2)
    await ada.post(f"/users/{mina.user_id}/reinstate", {"reason": "has shipped"})
    assert await found(lambda: listed(1))


async def test_nobody_but_an_admin_suspends_and_no_admin_himself(people: NewPeople, stack: Settings) -> None:
    ada = await admin_of(people, stack)
    anna, ben = await people("anna", "ben")

    assert await refused(ben, "POST", f"/users/{anna.user_id}/suspend", {"reason": "spite"}) == (403, "not_allowed")
    assert await refused(ada, "POST", f"/users/{ada.user_id}/suspend", {"reason": "tired"}) == (403, "own_account")
    assert (await anna.get("/users/me"))["status"] == "active"
