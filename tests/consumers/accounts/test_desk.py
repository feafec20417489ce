"""Accounts on a real database: names are given once, secrets are nowhere in clear, and an erased person is gone."""

import json
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from consumers.accounts.history import read_history
from consumers.accounts.verify import differences
from consumers.runtime import Incoming, Remembered
from schemas.envelope import Actor, time_ms
from schemas.sealed import CannotOpen, open_for_user
from tests.consumers.accounts.builders import DAY, HOUR, MINUTE
from tests.consumers.accounts.clerk import PASSWORD, Clerk

pytestmark = pytest.mark.stack

ADMIN_ROLES = ("buyer", "admin")


async def everything(clerk: Clerk) -> str:
    """All that stands in all tables, as text."""
    tables = await clerk.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    texts = []
    for (table,) in tables:
        for (row,) in await clerk.pool.fetch(f"SELECT to_json(t)::text FROM {table} t"):
            texts.append(row)
            # bytea shows as hex: read what it says.
            texts += [bytes.fromhex(part.split('"')[0]).decode() for part in row.split("\\\\x")[1:] if part[0] != '"']
    return "\n".join(texts)


async def tokens_of(clerk: Clerk, user_id: UUID) -> list[str]:
    """The tokens that went out by e-mail, in order, opened as notifications opens them."""
    key = await key_of(clerk, user_id)
    rows = await clerk.pool.fetch("SELECT events FROM log WHERE aggregate = $1 ORDER BY src_offset", user_id)
    events = [json.loads(value) for row in rows for value in row["events"]]
    sealed = [event["data"]["sealedToken"] for event in events if "sealedToken" in event["data"]]
    return [open_for_user(seal, user_key=key, user_id=str(user_id), field="token") for seal in sealed]


async def key_of(clerk: Clerk, user_id: UUID) -> bytes:
    """The person's own key."""
    wrapped = await clerk.pool.fetchval("SELECT wrapped_key FROM keyring WHERE user_id = $1", user_id)
    return clerk.keys.unwrap(wrapped, user_id=str(user_id))


async def found_by_verify(clerk: Clerk) -> list[str]:
    """Where the log and the tables differ."""
    async with clerk.pool.acquire() as connection:
        return [line async for line in differences(connection, clerk.keys)]


def hash_of(token: str) -> str:
    """What travels of a token."""
    return sha256(token.encode()).hexdigest()


async def test_two_of_one_batch_cannot_have_the_same_name_in_any_spelling(clerk: Clerk) -> None:
    decisions = await clerk.decide(
        clerk.registration("anna", email="anna@home.example"),
        clerk.registration("Anna", email="other@home.example"),
        clerk.registration("ben", email="anna@home.example"),
    )

    assert [one.code for one in decisions] == ["registered", "username_taken", "email_taken"]


async def test_a_name_given_away_between_reading_and_writing_fails_the_commit(clerk: Clerk) -> None:
    first, second = clerk.registration("anna"), clerk.registration("ANNA", email="other@home.example")
    await clerk.prepare([first, second])
    stale = await clerk.desk.decide([second], {}, clerk.pool)
    await clerk.decide(first)

    with pytest.raises(asyncpg.UniqueViolationError):
        await clerk.commit(stale)
    [anew] = await clerk.decide(second)
    assert anew.code == "username_taken"


async def test_the_mailed_token_verifies_and_only_its_hash_is_kept(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    [token] = await tokens_of(clerk, anna)

    assert token.startswith(f"{anna}.")
    assert token not in await everything(clerk)
    assert (await clerk.ask("VerifyEmail", anna, token_hash=hash_of(token))).code == "email_verified"
    assert await clerk.pool.fetchval("SELECT is_verified FROM own_profile WHERE id = $1", anna)


async def test_nothing_personal_or_secret_stands_in_any_table_in_clear(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    session = await clerk.log_in(anna)
    await clerk.ask("ForgotPassword", anna, at_ms=time_ms() + 2 * MINUTE)
    await clerk.ask("UpdateProfile", anna, full_name_sealed="Anna Svensson")
    await clerk.ask(
        "ChangePassword", anna, session_id=session, current_sealed=PASSWORD, new_sealed="another horse battery"
    )

    found = await everything(clerk)

    assert '"eventType":"UserRegistered"' in found
    for secret in (
        "anna@home.example",
        "Karlsson",
        "Svensson",
        PASSWORD,
        "another horse battery",
        *await tokens_of(clerk, anna),
    ):
        assert secret not in found, secret


async def test_a_seal_made_for_another_command_is_refused(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    stolen = clerk.command("LogIn", anna, password_sealed=PASSWORD, session_id=uuid4(), refresh_hash="r")
    stolen.id = uuid4()

    [decision] = await clerk.decide(stolen)

    assert (decision.outcome, decision.code) == ("refused", "unreadable_seal")


async def test_a_command_under_somebody_elses_key_is_refused(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    incoming = clerk.command("LogOutAll", anna)
    incoming.aggregate = uuid4()

    [decision] = await clerk.decide(incoming)

    assert decision.code == "wrong_key"


async def test_an_id_used_for_something_else_before_is_a_conflict(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    incoming = clerk.command("LogOutAll", anna)

    verdict = await clerk.desk.decide([incoming], {incoming.id: Remembered(None, b"{}")}, clerk.pool)

    assert [(one.code, one.events) for one in verdict.decisions] == [("idempotency_conflict", ())]
    assert verdict.writes == []


async def test_unknown_people_are_counted_and_waited_for_like_known_ones_and_told_to_no_one(clerk: Clerk) -> None:
    anna, nobody = await clerk.register("anna"), uuid4()
    answers = {}
    for who in (anna, nobody):
        said: dict[str, Any] = {"password_sealed": "a wrong guess", "refresh_hash": "r"}
        guesses = [clerk.command("LogIn", who, session_id=uuid4(), **said) for _ in range(6)]
        answers[who] = [(one.outcome, one.code) for one in await clerk.decide(*guesses)]

    assert (
        answers[anna]
        == answers[nobody]
        == [("refused", "invalid_credentials")] * 5 + [("refused", "too_many_attempts")]
    )
    assert await clerk.pool.fetchval("SELECT count(*) FROM log WHERE aggregate = $1 AND events <> '{}'", nobody) == 0


async def test_a_refresh_token_is_known_as_spent_across_batches(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    session = await clerk.log_in(anna, refresh="refresh-1")

    async def exchange(presented: str, following: str) -> str:
        said = {"session_id": session, "presented_hash": presented, "next_hash": following}
        return (await clerk.ask("RefreshSession", anna, **said)).code

    assert await exchange("refresh-1", "refresh-2") == "refreshed"
    assert await exchange("refresh-2", "refresh-3") == "refreshed"
    assert await exchange("refresh-2", "refresh-3") == "already_refreshed"
    assert await exchange("refresh-1", "stolen") == "token_reused"
    assert await exchange("refresh-3", "refresh-4") == "invalid_token"
    assert await clerk.pool.fetchval("SELECT revoked_at IS NOT NULL FROM session_view WHERE session_id = $1", session)


async def test_a_password_changed_in_a_batch_counts_for_the_next_command_of_it(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    session = await clerk.log_in(anna)
    new = "another horse battery"

    def login(password: str) -> Incoming:
        return clerk.command("LogIn", anna, password_sealed=password, session_id=uuid4(), refresh_hash=password)

    decisions = await clerk.decide(
        clerk.command("ChangePassword", anna, session_id=session, current_sealed=PASSWORD, new_sealed=new),
        login(PASSWORD),
        login(new),
    )

    assert [one.code for one in decisions] == ["password_changed", "invalid_credentials", "logged_in"]


async def test_an_erased_person_cannot_be_read_anywhere_and_the_names_are_free(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    key = await key_of(clerk, anna)
    await clerk.log_in(anna)
    [facts] = await clerk.pool.fetch("SELECT command_id, facts FROM log WHERE command_type = 'RegisterUser'")

    assert (await clerk.ask("EraseAccount", anna, password_sealed=PASSWORD)).code == "erased"

    assert await clerk.pool.fetchval("SELECT count(*) FROM keyring") == 0
    assert await clerk.pool.fetchval("SELECT count(*) FROM public_profile") == 0
    row = await clerk.pool.fetchrow("SELECT * FROM account WHERE id = $1", anna)
    assert row is not None
    assert {name for name, value in row.items() if value is not None} == {"id", "sequence", "erased", "tokens_since_ms"}
    # Without the key, what the log still holds is noise; with it, it would open: so it was the key that mattered.
    assert read_history(facts["facts"], key=key, user_id=anna, command_id=facts["command_id"])
    with pytest.raises(CannotOpen):
        read_history(facts["facts"], key=bytes(32), user_id=anna, command_id=facts["command_id"])
    assert await clerk.register("anna") != anna


async def test_registered_and_erased_in_one_batch_leaves_the_id_taken(clerk: Clerk) -> None:
    anna = uuid4()

    decisions = await clerk.decide(
        clerk.registration("anna", user_id=anna),
        clerk.command("EraseAccount", anna, password_sealed=PASSWORD),
        clerk.registration("anna", user_id=anna),
    )

    assert [one.code for one in decisions] == ["registered", "erased", "id_taken"]
    assert (await clerk.decide(clerk.registration("anna", user_id=anna)))[0].code == "id_taken"


async def test_a_renamed_person_frees_the_old_name_and_may_change_its_spelling(clerk: Clerk) -> None:
    anna = await clerk.register("anna")

    assert (await clerk.ask("UpdateProfile", anna, username="ANNA")).code == "profile_updated"
    decisions = await clerk.decide(
        clerk.command("UpdateProfile", anna, username="annika"),
        clerk.registration("anna", email="new@home.example"),
        clerk.command("UpdateProfile", anna, username="Anna"),
    )

    assert [one.code for one in decisions] == ["profile_updated", "registered", "username_taken"]


async def test_the_full_name_is_compared_in_clear_so_that_the_same_is_no_change(clerk: Clerk) -> None:
    anna = await clerk.register("anna")

    assert (await clerk.ask("UpdateProfile", anna, full_name_sealed="Anna Karlsson")).code == "unchanged"
    assert (await clerk.ask("UpdateProfile", anna, full_name_sealed="Anna Svensson")).code == "profile_updated"
    sealed = await clerk.pool.fetchval("SELECT full_name_sealed FROM own_profile WHERE id = $1", anna)
    assert (
        open_for_user(sealed, user_key=await key_of(clerk, anna), user_id=str(anna), field="fullName")
        == "Anna Svensson"
    )


async def test_an_admin_is_judged_by_what_the_account_is_now(clerk: Clerk) -> None:
    ada, anna = await clerk.register("ada"), await clerk.register("anna")
    speaks = Actor(str(ada), ADMIN_ROLES)
    assert (await clerk.ask("SuspendUser", anna, by=speaks, reason="sold a lamp twice")).code == "forbidden"

    [token] = await tokens_of(clerk, ada)
    await clerk.ask("VerifyEmail", ada, token_hash=hash_of(token))
    await clerk.ask("GrantRole", ada, by=Actor("cli", ("system",)), role="admin")

    assert (await clerk.ask("SuspendUser", anna, by=speaks, reason="sold a lamp twice")).code == "suspended"
    assert await clerk.pool.fetchval("SELECT status FROM own_profile WHERE id = $1", anna) == "suspended"


async def test_followers_are_counted_and_listed(clerk: Clerk) -> None:
    sam, anna = await clerk.register("sam"), await clerk.register("anna")
    assert (await clerk.ask("FollowSeller", anna, seller_id=sam)).code == "not_a_seller"
    [token] = await tokens_of(clerk, sam)
    follow = clerk.command("FollowSeller", anna, seller_id=sam)

    decisions = await clerk.decide(
        clerk.command("VerifyEmail", sam, token_hash=hash_of(token)),
        clerk.command("BecomeSeller", sam),
        follow,
        clerk.command("FollowSeller", anna, seller_id=sam),
    )

    assert [one.code for one in decisions[2:]] == ["followed", "already_following"]
    assert await clerk.pool.fetchval("SELECT follower_count FROM public_profile WHERE id = $1", sam) == 1
    [listed] = await clerk.pool.fetch("SELECT follower_username, seller_username FROM follow_view")
    assert tuple(listed) == ("anna", "sam")
    assert (await clerk.ask("UnfollowSeller", anna, seller_id=sam)).code == "unfollowed"
    assert await clerk.pool.fetchval("SELECT follower_count FROM public_profile WHERE id = $1", sam) == 0


async def test_the_account_can_be_folded_again_from_the_log_alone(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    session = await clerk.log_in(anna)
    await clerk.log_in(anna, refresh="other")
    said = {"session_id": session, "presented_hash": "refresh-1", "next_hash": "refresh-2"}
    await clerk.ask("RefreshSession", anna, **said)
    await clerk.ask("ForgotPassword", anna, at_ms=time_ms() + HOUR)
    await clerk.ask("UpdateProfile", anna, username="annika", full_name_sealed="Anna Svensson")
    await clerk.ask("LogIn", anna, password_sealed="a wrong guess", session_id=uuid4(), refresh_hash="r")
    await clerk.ask("LogOut", anna, session_id=session)

    assert await found_by_verify(clerk) == []

    await clerk.pool.execute("UPDATE account SET username = 'anka'")
    assert await found_by_verify(clerk) == [
        f"{anna}: not what its log says",
        f"{anna}: its names are not given to it alone",
    ]


async def test_verify_sees_a_missing_event_a_lost_key_and_a_lost_account(clerk: Clerk) -> None:
    anna, ben, cleo = [await clerk.register(name) for name in ("anna", "ben", "cleo")]
    await clerk.ask("WatchAuction", anna, auction_id=uuid4())
    await clerk.pool.execute("DELETE FROM log WHERE aggregate = $1 AND first_seq = 1", anna)
    await clerk.pool.execute("DELETE FROM keyring WHERE user_id IN ($1, $2)", anna, ben)
    await clerk.pool.execute("DELETE FROM account WHERE id = $1", cleo)

    assert sorted(await found_by_verify(clerk)) == sorted(
        [
            f"{anna}: a gap or an overlap after event 0",
            f"{anna}: a key without an account, or an account without its key",
            f"{ben}: a key without an account, or an account without its key",
            f"{cleo}: events in the log, but no account",
        ]
    )


async def test_events_count_from_one_without_a_gap_and_say_who(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    await clerk.log_in(anna)
    await clerk.ask("WatchAuction", anna, auction_id=uuid4())

    rows = await clerk.pool.fetch("SELECT events FROM log ORDER BY src_offset")
    events = [msgspec.json.decode(value) for row in rows for value in row["events"]]

    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert {event["data"]["userId"] for event in events} == {str(anna)}


async def test_sessions_and_guesses_of_long_ago_are_forgotten(clerk: Clerk) -> None:
    anna = await clerk.register("anna")
    long_ago = time_ms() - 60 * DAY
    session = {"password_sealed": PASSWORD, "refresh_hash": "r"}
    await clerk.ask("LogIn", anna, session_id=uuid4(), at_ms=long_ago, **session)
    await clerk.ask("LogIn", uuid4(), session_id=uuid4(), at_ms=long_ago, **session)

    await clerk.ask("LogIn", anna, session_id=uuid4(), **session)
    await clerk.ask("LogIn", uuid4(), session_id=uuid4(), **session)

    assert await clerk.pool.fetchval("SELECT count(*) FROM session") == 1
    assert await clerk.pool.fetchval("SELECT count(*) FROM attempt") == 1
