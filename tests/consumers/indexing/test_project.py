"""Events become documents: whatever their order, however often they come."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.indexing import said
from consumers.indexing.mapping import body
from consumers.indexing.project import Auction, Shown, auction_document, person_document
from schemas.envelope import parse_time
from tests.consumers.indexing.builders import (
    CREATED,
    END,
    LATER_END,
    LEICA,
    MINA,
    NOON,
    START,
    Told,
    auction,
    bid,
    created,
    ended,
    in_order,
    person,
    registered,
    updated,
)

pytestmark = pytest.mark.quick

SOLD = in_order(
    created(draft=True, title="A draft"),
    created(has_reserve=True),
    updated(title="Leica M3, serviced", has_reserve=True),
    bid("110.00", 1, reserve_met=False),
    bid("112.50", 2, winning=False, reserve_met=False),
    bid("150.00", 3, reserve_met=True),
    said.AuctionExtended(LATER_END),
    said.PriceRecomputed(bid_count=1, price=None, reserve_met=False),
    said.ReserveLowered(reserve_met=None),
    bid("120.00", 2),
    ended(price="120.00"),
)
LIFE = in_order(
    registered("mina"),
    said.ProfileUpdated("mina-two"),
    said.RoleGranted(["buyer", "seller"]),
    said.UserSuspended(),
    said.UserReinstated(),
    said.ProfileUpdated("mina-three"),
    said.UserErased(),
)


def shown(told: list[Told], *, seller: list[Told] | None = None, now_ms: int = NOON) -> Shown | None:
    return auction_document(LEICA, auction(told), person(seller) if seller is not None else None, now_ms=now_ms)


def fields(told: list[Told], **more: Any) -> dict[str, Any]:
    document = shown(told, **more)
    assert document is not None
    return document.fields


def test_a_new_auction_is_shown_with_all_that_was_said_of_it() -> None:
    document = fields(in_order(created()), seller=in_order(registered()))

    assert document == {
        "id": LEICA,
        "hidden": False,
        "seq": 1,
        "title": "Leica M3 Café edition",
        "description": "Double stroke, 1954.",
        "tags": ["camera", "rangefinder"],
        "category": "Cameras",
        "seller": {"id": MINA, "username": "mina"},
        "currency": "USD",
        "startingPriceMinor": 100_00,
        "priceMinor": 100_00,
        "bidCount": 0,
        "hasReserve": False,
        "status": "live",
        "createdAt": CREATED,
        "startTime": START,
        "endTime": END,
        "search": {
            "title": "leica m3 cafe edition",
            "description": "double stroke, 1954.",
            "tags": ["camera", "rangefinder"],
            "category": "cameras",
            "seller": "mina",
        },
        "suggest": {
            "input": ["leica m3 cafe edition", "m3 cafe edition", "cafe edition", "edition"],
            "weight": 100,
        },
    }


def test_the_price_follows_the_winning_bids_and_the_count_all_of_them() -> None:
    document = fields(in_order(created(), bid("110.00", 1), bid("105.00", 2, winning=False)))

    assert (document["priceMinor"], document["bidCount"]) == (110_00, 2)


def test_a_lowered_starting_price_is_the_price_while_nobody_has_bid() -> None:
    assert fields(in_order(created(), updated(starting_price=Decimal(80))))["priceMinor"] == 80_00


def test_bids_taken_back_take_the_price_back() -> None:
    back = said.PriceRecomputed(bid_count=0, price=None, reserve_met=None)

    document = fields(in_order(created(), bid("110.00", 1), back))

    assert (document["priceMinor"], document["bidCount"]) == (100_00, 0)


def test_a_late_bid_moves_the_end() -> None:
    assert fields(in_order(created(), said.AuctionExtended(LATER_END)))["endTime"] == LATER_END


def test_a_purchase_sets_the_price() -> None:
    document = fields(in_order(created(), ended("sold_buy_now", "300.00")))

    assert (document["status"], document["outcome"], document["priceMinor"]) == ("ended", "sold_buy_now", 300_00)


@pytest.mark.parametrize("over", [ended(), said.AuctionCancelled()])
def test_what_is_over_is_found_and_not_suggested(over: Any) -> None:
    document = fields(in_order(created(), over))

    assert document["status"] in ("ended", "cancelled")
    assert "suggest" not in document


def test_a_draft_is_not_shown_before_it_is_published_nor_when_it_is_discarded() -> None:
    draft = created(draft=True)

    assert shown(in_order(draft)) is None
    assert shown(in_order(draft, said.AuctionCancelled())) is None
    assert fields(in_order(draft, created()))["status"] == "live"


def test_bids_heard_before_the_auction_are_kept_until_it_is_heard_of() -> None:
    assert shown([(2, bid("110.00", 1))]) is None
    assert fields([(2, bid("110.00", 1)), (1, created())])["priceMinor"] == 110_00


def test_time_alone_makes_a_scheduled_auction_live() -> None:
    told = in_order(created())
    before, after = shown(told, now_ms=parse_time(START) - 1), shown(told, now_ms=parse_time(START))
    assert before is not None
    assert after is not None

    assert (before.fields["status"], before.changes_at) == ("scheduled", parse_time(START))
    assert (after.fields["status"], after.changes_at) == ("live", None)
    assert after.version == before.version + 1


def test_an_auction_cancelled_before_its_start_waits_for_nothing() -> None:
    document = shown(in_order(created(), said.AuctionCancelled()), now_ms=parse_time(START) - 1)
    assert document is not None

    assert (document.fields["status"], document.changes_at) == ("cancelled", None)


@pytest.mark.parametrize("gone", [said.UserSuspended(), said.UserErased()])
def test_of_a_hidden_seller_nothing_is_left_but_ids(gone: Any) -> None:
    seller = in_order(registered(), gone)

    assert fields(in_order(created()), seller=seller) == {"id": LEICA, "hidden": True}
    document = person_document(MINA, person(seller))
    assert document is not None
    assert document.fields == {"id": MINA, "hidden": True}


def test_a_reinstated_seller_comes_back_with_a_newer_version() -> None:
    suspended = in_order(registered(), said.UserSuspended())
    hidden = shown(in_order(created()), seller=suspended)
    back = shown(in_order(created()), seller=[*suspended, (3, said.UserReinstated())])
    assert hidden is not None
    assert back is not None

    assert back.fields["hidden"] is False
    assert back.version > hidden.version


def test_an_erased_person_keeps_no_name_even_if_one_comes_late() -> None:
    late = person([*in_order(registered("mina"), said.UserErased()), (9, said.ProfileUpdated("mina-again"))])

    assert (late.username, late.roles, late.created_at) == ("", [], None)


def test_a_person_unheard_of_is_not_shown() -> None:
    assert person_document(MINA, person([(4, said.UserReinstated())])) is None


@settings(deadline=None)
@given(st.permutations(SOLD), st.lists(st.sampled_from(SOLD), max_size=20))
def test_any_order_and_any_repeats_of_an_auctions_events_come_to_the_same(order: list[Told], again: list[Told]) -> None:
    assert auction(order + again) == auction(SOLD)


@settings(deadline=None)
@given(st.permutations(LIFE), st.lists(st.sampled_from(LIFE), max_size=20))
def test_any_order_and_any_repeats_of_a_persons_events_come_to_the_same(order: list[Told], again: list[Told]) -> None:
    assert person(order + again) == person(LIFE)


@settings(deadline=None)
@given(st.permutations(SOLD), st.permutations(LIFE), st.lists(st.booleans(), min_size=18, max_size=18))
def test_a_document_never_changes_without_a_greater_version(
    auctions: list[Told], people: list[Told], turns: list[bool]
) -> None:
    state, seller, before = Auction(), person([]), None
    mine, theirs = iter(auctions), iter(people)
    heard: tuple[list[Told], list[Told]] = ([], [])
    for turn in turns:
        event = next(mine if turn else theirs, None)
        if event is None:
            continue
        heard[0 if turn else 1].append(event)
        state, seller = auction(heard[0]), person(heard[1])
        after = auction_document(LEICA, state, seller, now_ms=NOON)
        if before is not None:
            assert after is not None
            assert after.version > before.version or after == before
        before = after or before


@pytest.mark.parametrize("plugins", [(), ("analysis-common",)])
def test_every_field_of_a_document_is_mapped(plugins: tuple[str, ...]) -> None:
    whole = auction([*SOLD, (12, updated(video_id=str(uuid.UUID(int=7)), has_reserve=True, buy_now_price=900))])
    lively = auction_document(LEICA, auction(SOLD[:7]), person(LIFE[:3]), now_ms=NOON)
    documents = [auction_document(LEICA, whole, person(LIFE[:3]), now_ms=NOON), lively]
    mapped = body("auctions", plugins=plugins)["mappings"]["properties"]
    for document in documents:
        assert document is not None
        assert_mapped(document.fields, mapped)
    mina = person_document(MINA, person(LIFE[:3]))
    assert mina is not None
    assert_mapped(mina.fields, body("users", plugins=plugins)["mappings"]["properties"])


def assert_mapped(document: dict[str, Any], properties: dict[str, Any]) -> None:
    for name, value in document.items():
        assert name in properties
        if isinstance(value, dict) and "properties" in properties[name]:
            assert_mapped(value, properties[name]["properties"])


def test_stems_are_mapped_only_where_the_server_has_them() -> None:
    poor, rich = body("auctions", plugins=()), body("auctions", plugins=("analysis-common", "x-pack-core"))

    assert "stems" not in str(poor["mappings"]["properties"])
    assert "stems" not in poor["settings"]["analysis"]["analyzer"]
    assert (poor["mappings"]["_meta"], rich["mappings"]["_meta"]) == ({"stems": False}, {"stems": True})
    for name in ("title", "description", "tags"):
        stems = rich["mappings"]["properties"]["search"]["properties"][name]["fields"]["stems"]
        assert stems == {"type": "text", "analyzer": "stems"}
    assert rich["settings"]["analysis"]["analyzer"]["stems"]["filter"] == ["lowercase", "english_stems"]
