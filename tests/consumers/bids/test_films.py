"""An auction shows a film only if it is there, ready, and its seller's own."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec import Raw

from compose.settings import Settings
from consumers.bids.asked import CreateAuction, PublishAuction, UpdateAuction
from consumers.bids.auction import UNOPENED
from consumers.bids.films import Film, objection
from consumers.bids.listing import Listing
from schemas.envelope import Actor, new_command_id
from tests.consumers.bids.talk import Talk, lamp, seller

FILM = uuid4()
MINA, BEN = str(uuid4()), str(uuid4())


def offer(**more: Any) -> CreateAuction:
    return CreateAuction(title="Lamp", starting_price=Raw(b"10"), duration=600, **more)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("film", "reason"),
    [
        (None, "video_not_found"),
        (Film(MINA, "gone"), "video_not_found"),
        (Film(BEN, "ready"), "not_video_owner"),
        (Film(MINA, "coming"), "video_not_ready"),
        (Film(MINA, "failed"), "video_not_ready"),
        (Film(MINA, "ready"), None),
    ],
)
def test_an_auction_with_a_film_needs_a_ready_film_of_its_seller(film: Film | None, reason: str | None) -> None:
    films = {} if film is None else {FILM: film}

    assert objection(offer(video_id=FILM), UNOPENED, None, MINA, films) == reason
    assert objection(PublishAuction(), UNOPENED, Listing("Lamp", video_id=str(FILM)), MINA, films) == reason


@pytest.mark.quick
def test_a_draft_may_name_a_film_that_is_still_worked_on_but_not_a_strangers() -> None:
    draft = offer(video_id=FILM, draft=True)

    assert objection(draft, UNOPENED, None, MINA, {FILM: Film(MINA, "coming")}) is None
    assert objection(draft, UNOPENED, None, MINA, {FILM: Film(MINA, "failed")}) == "video_not_ready"
    assert objection(draft, UNOPENED, None, MINA, {FILM: Film(BEN, "ready")}) == "not_video_owner"


@pytest.mark.quick
def test_what_names_no_film_needs_none() -> None:
    for body in (offer(), UpdateAuction(title="Brass lamp"), PublishAuction()):
        assert objection(body, UNOPENED, Listing("Lamp"), MINA, {}) is None


async def known(stack: Settings, video_id: UUID, owner: Actor, status: str) -> None:
    db = await asyncpg.connect(stack.database_url("bids"))
    try:
        await db.execute(
            "INSERT INTO bids.film VALUES ($1, $2, $3, 1) ON CONFLICT (video_id) DO UPDATE SET status = $3",
            video_id,
            UUID(owner.id),
            status,
        )
    finally:
        await db.close()


async def test_the_worker_refuses_a_film_until_it_is_ready_and_remembers_the_refusal(
    talk: Talk, stack: Settings
) -> None:
    mina, ben, film = seller(), seller(), uuid4()
    unknown = await talk.say("CreateAuction", uuid4(), lamp(videoId=str(film)), by=mina)
    await known(stack, film, mina, "coming")
    coming = await talk.say("CreateAuction", uuid4(), lamp(videoId=str(film)), by=mina)
    draft = uuid4()
    drafted = await talk.say("CreateAuction", draft, lamp(videoId=str(film), draft=True), by=mina)
    too_early = await talk.say("PublishAuction", draft, {}, by=mina)
    await known(stack, film, mina, "ready")
    foreign = await talk.say("CreateAuction", uuid4(), lamp(videoId=str(film)), by=ben)
    published, opened = await asyncio.gather(
        talk.say("PublishAuction", draft, {}, by=mina),
        talk.say("CreateAuction", uuid4(), lamp(videoId=str(film)), by=mina, command_id=new_command_id()),
    )

    assert [said.code for said in (unknown, coming, too_early, foreign)] == [
        "video_not_found",
        "video_not_ready",
        "video_not_ready",
        "not_video_owner",
    ]
    assert [said.outcome for said in (drafted, published, opened)] == ["accepted"] * 3
    assert unknown.answer["detail"] == "There is no such video."


async def test_an_auction_that_runs_may_change_to_a_ready_film_and_to_no_other(talk: Talk, stack: Settings) -> None:
    mina, good, bad, auction = seller(), uuid4(), uuid4(), uuid4()
    await known(stack, good, mina, "ready")
    await known(stack, bad, mina, "coming")
    await talk.say("CreateAuction", auction, lamp(), by=mina)

    refused = await talk.say("UpdateAuction", auction, {"videoId": str(bad)}, by=mina)
    changed = await talk.say("UpdateAuction", auction, {"videoId": str(good)}, by=mina)

    assert (refused.outcome, refused.code) == ("refused", "video_not_ready")
    assert changed.outcome == "accepted"
