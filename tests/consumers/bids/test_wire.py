"""What bids reads and tells, held against the contract of schemas/: same fields, same meaning, exact amounts."""

import json
from typing import Any
from uuid import uuid4

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from consumers.bids import asked, told
from consumers.bids.asked import READERS, minor
from consumers.bids.meant import may_ask
from consumers.runtime import Actor
from schemas.auctions import PRIVATE_EVENTS, Closing, ShippingInfo
from schemas.envelope import EventEnvelope, Wire, event_id_of
from schemas.money import MINOR_MAX, print_minor
from schemas.registry import BY_NAME, MESSAGES
from tests.consumers.bids.story import ADMIN, ANNA, AUCTION, CLOCK, NOON, SAM, Story, lamp, whole_story

pytestmark = pytest.mark.quick

COMMANDS = [message for message in MESSAGES if message.topic == "auction-commands"]
EVENTS = [message for message in MESSAGES if message.topic == "auction-events"]


def properties(schema: dict[str, Any]) -> set[str]:
    return set(schema.get("properties", {}))


def fields(struct: Any) -> dict[str, bool]:
    """Names on the wire, and whether each is required."""
    found = msgspec.inspect.type_info(struct)
    assert isinstance(found, msgspec.inspect.StructType)
    return {field.encode_name: field.required for field in found.fields}


@pytest.mark.parametrize("message", COMMANDS, ids=lambda message: message.name)
def test_a_command_is_read_with_the_fields_of_its_contract(message: Any) -> None:
    contract = message.model.model_json_schema(by_alias=True)

    read = fields(getattr(asked, message.name))

    assert set(read) == properties(contract)
    assert {name for name, required in read.items() if required} == set(contract.get("required", ()))


@pytest.mark.parametrize(("struct", "model"), [(asked.Closing, Closing), (asked.ShippingInfo, ShippingInfo)])
def test_a_part_of_a_command_is_read_with_the_fields_of_its_contract(struct: type, model: type[Wire]) -> None:
    assert set(fields(struct)) == properties(model.model_json_schema(by_alias=True))


@pytest.mark.parametrize("message", EVENTS, ids=lambda message: message.name)
def test_an_event_is_told_with_the_fields_of_its_contract(message: Any) -> None:
    contract = message.model.model_json_schema(by_alias=True)

    assert set(fields(getattr(told, message.name))) == properties(contract)


def test_a_whole_story_tells_every_kind_of_event_and_each_fits_its_schema() -> None:
    story = whole_story()

    assert {event.type for event in story.told} == {message.name for message in EVENTS} - {"AuctionCancelled"}
    for event in story.told:
        envelope = EventEnvelope.model_validate_json(event.value)
        message = BY_NAME[envelope.event_type]
        schema = message.model.model_json_schema(by_alias=True, mode="serialization")
        # 0.01 is no binary fraction, so jsonschema cannot divide by it; the exact text is tested below.
        jsonschema.validate(envelope.data, json.loads(json.dumps(schema).replace('"multipleOf": 0.01', '"minimum": 0')))
        message.model.model_validate(envelope.data)


def test_an_update_that_changes_nothing_of_the_listing_still_tells_all_of_it() -> None:
    story = whole_story()

    data = [json.loads(event.value)["data"] for event in story.told if event.type == "AuctionUpdated"]

    assert [(one["title"], one["draft"]) for one in data] == [("Brass lamp, 1920", True), ("Brass lamp, 1920", False)]


def test_sequences_have_no_gap_and_each_event_names_the_public_one_before_it() -> None:
    story = whole_story()

    envelopes = [EventEnvelope.model_validate_json(event.value) for event in story.told]

    assert [one.sequence for one in envelopes] == list(range(1, len(envelopes) + 1))
    assert [one.event_id for one in envelopes] == [event_id_of(AUCTION, one.sequence) for one in envelopes]
    last_public = 0
    for one in envelopes:
        assert one.previous_public_sequence == last_public
        if one.event_type not in PRIVATE_EVENTS and not one.data.get("draft") and one.sequence > 2:
            last_public = one.sequence


def test_no_event_shows_a_maximum_or_the_reserve() -> None:
    everything = b"".join(event.value for event in whole_story().told)

    for hidden in (b"30.34", b"60.00", b"70.00", b"1734"):
        assert hidden not in everything


def test_amounts_stand_on_the_topic_with_two_decimals_as_they_were_written() -> None:
    created = whole_story().told[2].value

    assert b'"startingPrice":10.50,' in created
    assert b'"shippingInfo":{"method":"post","cost":5.10}' in created
    assert b'"buyNowPrice":500.00' in created


def test_the_bid_count_of_an_event_counts_the_bids_up_to_it() -> None:
    story = whole_story()

    bids = [json.loads(event.value)["data"] for event in story.told if event.type == "BidPlaced"]

    count = 0
    for bid in bids[:4]:
        count += not bid["automatic"]
        assert bid["bidCount"] == count


def test_what_a_bidder_says_with_a_bid_is_told_with_that_bid_only() -> None:
    story = whole_story()

    messages = [json.loads(event.value)["data"].get("message") for event in story.told if event.type == "BidPlaced"]

    assert [message for message in messages if message] == ['a "fine" lamp']


@given(st.integers(0, MINOR_MAX))
def test_an_amount_comes_back_as_it_was_printed(amount: int) -> None:
    assert minor(Raw(print_minor(amount).encode())) == amount


@given(st.integers(0, 99_999_999), st.sampled_from(["", ".0", ".5", ".50", ".05", ".99"]))
def test_an_amount_is_read_from_its_text_without_rounding(whole: int, fraction: str) -> None:
    amount = minor(Raw(f"{whole}{fraction}".encode()))

    assert amount == whole * 100 + round(float(fraction or 0) * 100)


@pytest.mark.parametrize(
    "text", ["-1", "1e2", "1.234", "1E400", '"10"', "true", "[10]", "{}", "0.001", "9" * 5000], ids=str.__repr__
)
def test_what_is_no_amount_is_refused_by_the_rules_and_not_by_the_reader(text: str) -> None:
    story = Story()
    story.say("CreateAuction", lamp(), SAM, NOON)

    refused = story.say("PlaceBid", f'{{"amount":{text}}}', ANNA, NOON + 1)

    assert (story.codes[-1], refused[0].type) == ("invalid_amount", "BidRefused")


@pytest.mark.parametrize(
    "data",
    [
        '{"amount":NaN}',
        '{"amount":1,"currency":5}',
        "[]",
        '{"amount":1',
        '{"amount":1,"message":"a\\u0000b"}',
    ],
)
def test_what_is_not_of_the_contracts_shape_is_a_value_error(data: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        READERS["PlaceBid"](data.encode())


def test_a_field_that_nobody_knows_yet_is_passed_over() -> None:
    assert READERS["BuyNow"](b'{"currency":"USD","giftWrap":true}') == asked.BuyNow(currency="USD")


@pytest.mark.parametrize(
    ("changes", "table"),
    [({}, "EBAY-US"), ({"currency": "GBP"}, "EBAY-UK"), ({"currency": "CHF"}, "FLAT-1")],
)
def test_the_increment_table_follows_from_the_currency(changes: dict[str, Any], table: str) -> None:
    story = Story()

    story.say("CreateAuction", lamp(**changes), SAM, NOON)

    assert story.listing is not None
    assert story.listing.increments == table


@pytest.mark.parametrize("duration", [59, 2_592_001, -60, 10**12])
def test_a_duration_outside_a_minute_and_thirty_days_is_refused(duration: int) -> None:
    story = Story()

    assert story.say("CreateAuction", lamp(duration=duration), SAM, NOON) == []
    assert story.codes == ["invalid_config"]


def test_a_start_further_off_than_a_year_is_refused() -> None:
    story = Story()

    story.say("CreateAuction", lamp(startTime="9999-12-31T00:00:00Z"), SAM, NOON)

    assert story.codes == ["invalid_config"]


def test_windows_are_asked_in_seconds_and_judged_in_milliseconds() -> None:
    story = Story()
    story.say("CreateAuction", lamp(closing={"mode": "counter_bid", "counterBidTime": 15}), SAM, NOON)

    events = story.say("PlaceBid", '{"amount":20}', ANNA, NOON + 172_800_000 - 1)

    assert [event.type for event in events] == ["BidPlaced", "AuctionExtended"]
    assert json.loads(events[1].value)["data"]["endTime"] == "2023-11-16T22:13:34.999Z"


def test_an_admin_cancels_for_the_platform_but_not_in_an_auction_of_his_own() -> None:
    own = Actor(ADMIN.id, ("buyer", "seller", "admin"))
    story = Story()
    story.say("CreateAuction", lamp(), own, NOON)
    story.say("PlaceBid", '{"amount":20}', ANNA, NOON + 1)

    story.say("CancelAuction", '{"reason":"second thoughts"}', own, NOON + 2)
    story.say("CancelAuction", '{"reason":"stolen"}', Actor(str(uuid4()), ("admin",)), NOON + 3)

    assert story.codes[-2:] == ["not_allowed", "cancelled"]
    assert json.loads(story.told[-2].value)["data"]["by"] == "platform"


def test_who_may_ask_follows_from_the_roles() -> None:
    create, bid, close = READERS["CreateAuction"](lamp().encode()), asked.PlaceBid(), READERS["CloseAuction"]
    closing = close(b'{"endTime":"2023-11-16T22:13:20.000Z"}')

    assert may_ask(create, SAM)
    assert not may_ask(create, ANNA)
    assert may_ask(bid, ANNA)
    assert not may_ask(bid, CLOCK)
    assert not may_ask(bid, Actor("not-a-user", ("buyer",)))
    assert may_ask(closing, CLOCK)
    assert not may_ask(closing, ADMIN)
