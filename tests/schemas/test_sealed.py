"""A sealed field opens in its own message, with its own key, and nowhere else."""

import os

import pytest

from schemas.sealed import (
    ROTATION_S,
    CannotOpen,
    OrderSeal,
    TopicSeal,
    UserKeys,
    new_user_key,
    open_for_user,
    seal_for_user,
)

pytestmark = pytest.mark.quick

NOON = 20_780 * ROTATION_S + 43_200


def test_a_seal_opens_in_its_own_message_and_field_only() -> None:
    sealer = TopicSeal({"k1": os.urandom(32)})
    seal = sealer.seal("anna@home.org", message_id="m1", field="email", at_s=NOON)

    assert sealer.open(seal, message_id="m1", field="email") == "anna@home.org"
    assert "anna" not in seal
    for message_id, field in (("m2", "email"), ("m1", "password")):
        with pytest.raises(CannotOpen):
            sealer.open(seal, message_id=message_id, field=field)


def test_each_day_has_its_own_key_and_yesterdays_still_opens() -> None:
    sealer = TopicSeal({"k1": os.urandom(32)})
    today = sealer.seal("x", message_id="m", field="f", at_s=NOON)
    tomorrow = sealer.seal("x", message_id="m", field="f", at_s=NOON + ROTATION_S)

    assert today.split(".")[1] != tomorrow.split(".")[1]
    assert sealer.open(today, message_id="m", field="f") == sealer.open(tomorrow, message_id="m", field="f") == "x"


def test_after_a_change_of_master_keys_the_old_one_still_opens() -> None:
    old, new = os.urandom(32), os.urandom(32)
    seal = TopicSeal({"old": old}).seal("x", message_id="m", field="f", at_s=NOON)

    assert TopicSeal({"new": new, "old": old}).open(seal, message_id="m", field="f") == "x"
    with pytest.raises(CannotOpen):
        TopicSeal({"new": new}).open(seal, message_id="m", field="f")


@pytest.mark.parametrize(
    "damage", ["", "v1", "v1.k1-1.a.b", "v2.k1-20780.AAAA.AAAA", "v1.k1-x.AAAA.AAAA", "v1.k1-20780.!.!"]
)
def test_nonsense_in_place_of_a_seal_does_not_open(damage: str) -> None:
    with pytest.raises(CannotOpen):
        TopicSeal({"k1": os.urandom(32)}).open(damage, message_id="m", field="f")


def test_without_the_persons_key_the_persons_data_is_gone() -> None:
    masters = UserKeys({"k1": os.urandom(32)})
    key = new_user_key()
    seal = seal_for_user("anna@home.org", user_key=key, user_id="u1", field="email")
    wrapped = masters.wrap(key, user_id="u1")

    assert (
        open_for_user(seal, user_key=masters.unwrap(wrapped, user_id="u1"), user_id="u1", field="email")
        == "anna@home.org"
    )
    with pytest.raises(CannotOpen):
        open_for_user(seal, user_key=new_user_key(), user_id="u1", field="email")
    with pytest.raises(CannotOpen):
        masters.unwrap(wrapped, user_id="u2")


def test_what_an_order_knows_of_its_buyer_opens_with_the_buyer_s_key_in_its_own_order_and_field_only() -> None:
    masters = {"k1": os.urandom(32)}
    sealer, keys = OrderSeal(masters), UserKeys(masters)
    wrapped, others = (keys.wrap(new_user_key(), user_id=user) for user in ("anna", "anna"))
    seal = sealer.seal(
        "Linzer Gasse 4", wrapped_key=wrapped, user_id="anna", order_id="o1", field="shipping", at_s=NOON
    )

    def opened(**changes: str) -> str:
        known = {"wrapped_key": wrapped, "user_id": "anna", "order_id": "o1", "field": "shipping"}
        return sealer.open(seal, **(known | changes))

    assert opened() == "Linzer Gasse 4"
    assert "Linzer" not in seal
    for change in ({"wrapped_key": others}, {"user_id": "ben"}, {"order_id": "o2"}, {"field": "tracking"}):
        with pytest.raises(CannotOpen):
            opened(**change)


def test_an_order_s_seal_has_the_key_of_the_day_on_its_outside() -> None:
    masters = {"k1": os.urandom(32)}
    wrapped = UserKeys(masters).wrap(new_user_key(), user_id="anna")
    today, tomorrow = (
        OrderSeal(masters).seal("x", wrapped_key=wrapped, user_id="anna", order_id="o", field="f", at_s=at_s)
        for at_s in (NOON, NOON + ROTATION_S)
    )

    assert today.split(".")[1] != tomorrow.split(".")[1]
