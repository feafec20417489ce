"""Bidders appear under names that fit one auction only."""

from uuid import RFC_4122, UUID

import pytest

from schemas.pseudonym import pseudonym

pytestmark = pytest.mark.quick

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))


def test_a_bidder_keeps_one_name_within_an_auction() -> None:
    assert pseudonym(KEY, "lens", "anna") == pseudonym(KEY, "lens", "anna")


def test_nobody_can_join_two_auctions_or_two_bidders_or_find_a_name_without_the_key() -> None:
    names = {
        pseudonym(KEY, "lens", "anna"),
        pseudonym(KEY, "camera", "anna"),
        pseudonym(KEY, "lens", "ben"),
        pseudonym(OTHER_KEY, "lens", "anna"),
    }

    assert len(names) == 4


def test_a_name_is_a_uuid_of_version_8() -> None:
    found = UUID(pseudonym(KEY, "lens", "anna"))

    assert (found.version, found.variant) == (8, RFC_4122)
