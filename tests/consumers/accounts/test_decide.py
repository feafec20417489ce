"""What an account does with a command: coming in, staying in, and being shown the door."""

import ast
from pathlib import Path
from uuid import UUID

import pytest

import consumers.accounts
from consumers.accounts.account import Account, Erased
from consumers.accounts.decide import decide
from consumers.accounts.facts import Asked, Standing, Unreadable
from schemas import users
from schemas.envelope import Actor
from tests.consumers.accounts.builders import (
    ADA,
    ADMIN,
    ANNA,
    BUYER,
    CLI,
    DAY,
    HOUR,
    LAMP,
    MINUTE,
    NOON,
    PHONE,
    SAM,
    SECOND,
    SELLER,
    TABLET,
    Asking,
    Story,
    become_seller,
    change_password,
    erasure,
    follow,
    forgotten,
    grant,
    logged_in,
    login,
    names,
    person,
    refresh,
    registered,
    registration,
    reinstatement,
    rename,
    resend,
    reset,
    suspension,
    unfollow,
    unwatch,
    verification,
    verified,
    watch,
)

pytestmark = pytest.mark.quick


def test_a_new_account_stands_unverified_and_its_first_mail_is_asked_for() -> None:
    story = Story()

    decided = story.ask(registration(), by=Actor("somebody", ()))

    assert (decided.outcome, decided.code) == ("accepted", "registered")
    assert decided.answer == {
        "id": str(ANNA),
        "username": "anna",
        "roles": ["buyer"],
        "isVerified": False,
        "createdAt": "2025-11-23T12:00:00.000Z",
    }
    assert names(decided) == ["UserRegistered", "EmailVerificationRequested"]
    assert (story.account.sequence, story.account.roles, story.account.verified) == (2, ("buyer",), False)


@pytest.mark.parametrize(
    ("asked", "code"),
    [(registration(email_taken=True), "email_taken"), (registration(username_taken=True), "username_taken")],
)
def test_a_name_that_is_taken_is_refused(asked: Asking, code: str) -> None:
    decided = Story().ask(asked)

    assert (decided.outcome, decided.code, decided.told) == ("refused", code, ())


def test_an_id_that_is_in_use_is_refused() -> None:
    assert registered().ask(registration()).code == "id_taken"


def test_a_seal_that_does_not_open_is_refused_and_changes_nothing() -> None:
    story = registered()

    decided = decide(story.state, Asked(login()[0], None, Unreadable()), NOON)

    assert (decided.outcome, decided.code, decided.told) == ("refused", "unreadable_seal", ())


# Verification.


def test_the_token_of_the_mail_verifies_the_address() -> None:
    story = registered().later(23 * HOUR)

    assert names(story.ask(verification())) == ["EmailVerified"]
    assert story.account.verified


def test_the_token_works_once_and_the_second_time_says_that_it_did() -> None:
    decided = verified().ask(verification())

    assert (decided.outcome, decided.code, decided.told) == ("no_op", "already_verified", ())


def test_the_token_is_over_after_a_day() -> None:
    assert registered().later(DAY).ask(verification()).code == "token_expired"


@pytest.mark.parametrize("story", [Story(), registered(), verified()])
def test_a_token_that_was_never_sent_is_invalid(story: Story) -> None:
    assert story.ask(verification("made up")).code == "invalid_token"


def test_only_the_latest_token_verifies() -> None:
    story = registered().later(MINUTE).asked(resend("verify-2"))

    assert story.ask(verification("verify-1")).code == "invalid_token"
    assert story.ask(verification("verify-2")).code == "email_verified"


def test_mails_go_out_once_a_minute_and_ten_times_a_day_and_the_answer_never_tells() -> None:
    story = registered()
    answers = {str(story.later(30 * SECOND).ask(resend()).answer)}
    assert len([one for one in story.told if isinstance(one, users.EmailVerificationRequested)]) == 1

    for _ in range(20):
        answers.add(str(story.later(2 * MINUTE).ask(forgotten()).answer))

    assert len(story.account.mails_ms) == 10
    assert answers == {"{}"}
    assert names(story.later(DAY).ask(forgotten())) == ["PasswordResetRequested"]


def test_nobody_can_learn_from_a_mail_request_whether_an_account_exists() -> None:
    for asked in (resend(), forgotten()):
        nobody = decide(Story().state, Asked(asked[0], None, None), NOON)
        somebody = registered().later(HOUR).ask(asked)
        done = verified().ask(asked)

        assert len({(one.outcome, one.code, str(one.answer)) for one in (nobody, somebody, done)}) == 1


# Logging in.


def test_the_right_password_opens_a_session() -> None:
    story = verified()

    decided = story.ask(login(), by=Actor("somebody", ()))

    assert decided.answer == {
        "userId": str(ANNA),
        "sessionId": str(PHONE),
        "username": "anna",
        "roles": ["buyer"],
        "isVerified": True,
        "decidedAt": NOON,
    }
    assert names(decided) == ["SessionOpened"]
    assert list(story.account.sessions) == [PHONE]


def test_an_unverified_account_may_log_in() -> None:
    assert registered().ask(login()).answer["isVerified"] is False


def test_an_unknown_account_and_a_wrong_password_answer_alike_try_after_try() -> None:
    known, unknown = registered(), Story()

    for _ in range(12):
        first, second = known.ask(login(right=False)), unknown.ask(login(right=False))
        assert (first.outcome, first.code, first.answer) == (second.outcome, second.code, second.answer)
        known.later(SECOND), unknown.later(SECOND)


def test_five_wrong_passwords_begin_a_wait_that_doubles_up_to_a_quarter_of_an_hour() -> None:
    story = registered()
    waits: list[int] = []
    for _ in range(18):
        assert story.ask(login(right=False)).code == "invalid_credentials"
        wait_s = story.ask(login()).answer.get("retryAfterS", 0) if len(waits) >= 4 else 0
        waits.append(wait_s)
        story.later(wait_s * SECOND)

    assert waits[4:] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
    assert story.ask(login()).code == "logged_in"
    assert story.account.attempts.failures == 0


def test_while_an_account_waits_even_the_right_password_is_not_looked_at() -> None:
    story = registered()
    for _ in range(5):
        story.ask(login(right=False))

    decided = story.ask(login())

    assert (decided.code, decided.answer, decided.told) == ("too_many_attempts", {"retryAfterS": 1}, ())


def test_wrong_passwords_of_yesterday_are_forgotten() -> None:
    story = registered()
    for _ in range(8):
        story.later(HOUR).ask(login(right=False))

    story.later(DAY + HOUR).ask(login(right=False))

    assert story.account.attempts.failures == 1


def test_a_suspended_account_says_so_only_to_who_knows_the_password() -> None:
    story = verified()
    story.ask(suspension(), by=person(ADA, "admin"))

    assert story.ask(login(right=False)).code == "invalid_credentials"
    assert story.ask(login()).code == "account_suspended"


def test_the_twenty_first_device_displaces_the_first() -> None:
    story = verified()
    devices = [UUID(int=number) for number in range(1, 22)]
    for device in devices:
        story.later(SECOND).asked(login(session=device, refresh=str(device)))

    assert list(story.account.sessions) == devices[1:]
    assert [one.session_id for one in story.told if isinstance(one, users.SessionRevoked)] == devices[:1]


# Refreshing.


def test_a_refresh_token_is_exchanged_for_the_next() -> None:
    story = logged_in().later(DAY)

    decided = story.ask(refresh("refresh-1", "refresh-2"))

    assert (decided.code, names(decided)) == ("refreshed", ["SessionRefreshed"])
    assert story.ask(refresh("refresh-2", "refresh-3")).code == "refreshed"


def test_an_old_refresh_token_shown_again_ends_the_session_for_both_who_hold_it() -> None:
    story = logged_in().asked(refresh("refresh-1", "refresh-2"), refresh("refresh-2", "refresh-3"))

    decided = story.ask(refresh("refresh-1", "stolen"))

    assert (decided.outcome, decided.code) == ("refused", "token_reused")
    assert [told.event for told in decided.told] == [
        users.SessionRevoked(user_id=ANNA, session_id=PHONE, reason="reused")
    ]
    assert story.ask(refresh("refresh-3", "refresh-4")).code == "invalid_token"


def test_the_same_exchange_asked_twice_is_no_theft() -> None:
    story = logged_in().asked(refresh("refresh-1", "refresh-2"))

    decided = story.ask(refresh("refresh-1", "refresh-2"))

    assert (decided.outcome, decided.code, decided.answer["sessionId"]) == ("no_op", "already_refreshed", str(PHONE))


def test_a_made_up_refresh_token_ends_nothing() -> None:
    story = logged_in()

    assert story.ask(refresh("made up", "x")).code == "invalid_token"
    assert story.ask(refresh("refresh-1", "x", session=TABLET)).code == "invalid_token"
    assert PHONE in story.account.sessions


def test_a_refresh_token_lives_seven_days_and_its_session_ninety() -> None:
    assert logged_in().later(7 * DAY).ask(refresh("refresh-1", "refresh-2")).code == "token_expired"

    story = logged_in()
    for day in range(89):
        story.later(DAY).asked(refresh(f"refresh-{day + 1}", f"refresh-{day + 2}"))
    assert story.later(DAY).ask(refresh("refresh-90", "refresh-91")).code == "token_expired"


# Leaving.


def test_logging_out_ends_one_session() -> None:
    story = logged_in().asked(login(session=TABLET, refresh="other"))

    decided = story.ask((users.LogOut(user_id=ANNA, session_id=PHONE), None))

    assert names(decided) == ["SessionRevoked"]
    assert list(story.account.sessions) == [TABLET]
    assert story.ask((users.LogOut(user_id=ANNA, session_id=PHONE), None)).outcome == "no_op"


def test_logging_out_everywhere_ends_all_sessions_and_all_access_tokens() -> None:
    story = logged_in().later(HOUR)

    story.asked((users.LogOutAll(user_id=ANNA), None))

    assert (dict(story.account.sessions), story.account.tokens_since_ms) == ({}, NOON + HOUR)


def test_a_changed_password_ends_the_other_sessions() -> None:
    story = logged_in().asked(login(session=TABLET, refresh="other"))

    decided = story.ask(change_password())

    assert names(decided) == ["PasswordChanged", "SessionsRevoked"]
    assert list(story.account.sessions) == [PHONE]
    assert story.account.password_hash == "argon2 of the second"


def test_the_current_password_is_the_proof_and_wrong_ones_count() -> None:
    story = logged_in()
    for _ in range(5):
        assert story.ask(change_password(right=False)).code == "invalid_credentials"

    assert story.ask(change_password()).code == "too_many_attempts"


def test_a_reset_takes_the_password_and_every_session_and_proves_the_address() -> None:
    story = registered().later(MINUTE).asked(login(), forgotten())

    decided = story.ask(reset())

    assert names(decided) == ["PasswordChanged", "EmailVerified", "SessionsRevoked"]
    assert (dict(story.account.sessions), story.account.verified) == ({}, True)
    assert story.ask(reset()).code == "invalid_token"


def test_a_reset_token_lives_an_hour() -> None:
    assert verified().later(MINUTE).asked(forgotten()).later(HOUR).ask(reset()).code == "token_expired"


def test_an_erased_account_is_nobody_and_cannot_come_back() -> None:
    story = logged_in()

    assert story.ask(erasure(right=False)).code == "invalid_credentials"
    assert names(story.ask(erasure())) == ["SessionsRevoked", "UserErased"]

    assert isinstance(story.state, Erased)
    assert story.ask(login(right=False)).code == "invalid_credentials"
    assert story.ask(rename("anna2")).code == "not_found"
    assert story.ask(registration()).code == "id_taken"


# Who may.


OWN = [
    (users.LogOutAll(user_id=ANNA), None),
    (users.LogOut(user_id=ANNA, session_id=PHONE), None),
    change_password(),
    erasure(),
    rename("anna2"),
    become_seller(),
    follow(),
    unfollow(),
    watch(),
    unwatch(),
]


@pytest.mark.parametrize("asked", OWN, ids=lambda asked: type(asked[0]).__name__)
def test_what_concerns_the_own_account_only_its_person_may_ask(asked: Asking) -> None:
    for actor in (person(SAM), person(ADA, "admin"), CLI):
        decided = logged_in().ask(asked, by=actor)
        assert (decided.code, decided.told) == ("forbidden", ())
    assert decide(logged_in().state, Asked(asked[0], None, asked[1]), NOON).code == "forbidden"


@pytest.mark.parametrize("asked", OWN, ids=lambda asked: type(asked[0]).__name__)
def test_a_suspended_account_can_do_nothing(asked: Asking) -> None:
    story = logged_in()
    story.ask(suspension(), by=person(ADA, "admin"))

    decided = story.ask(asked)

    assert (decided.code, decided.told) == ("account_suspended", ())


def test_an_admin_suspends_and_reinstates() -> None:
    story = logged_in().later(HOUR)

    decided = story.ask(suspension(), by=person(ADA, "admin"))

    assert names(decided) == ["UserSuspended", "SessionsRevoked"]
    assert (dict(story.account.sessions), story.account.tokens_since_ms) == ({}, NOON + HOUR)
    assert story.ask(suspension(), by=person(ADA, "admin")).code == "already_suspended"
    assert names(story.ask(reinstatement(), by=person(ADA, "admin"))) == ["UserReinstated"]
    assert story.ask(reinstatement(), by=person(ADA, "admin")).code == "not_suspended"
    assert story.ask(login()).code == "logged_in"


@pytest.mark.parametrize(
    ("actor", "standing", "code"),
    [
        (person(SAM), BUYER, "forbidden"),
        (person(ADA, "admin"), BUYER, "forbidden"),  # The token is older than the loss of the role.
        (person(SAM), ADMIN, "forbidden"),
        (person(ADA, "admin"), None, "forbidden"),
        (person(ADA, "admin"), Standing(("admin",), suspended=True), "account_suspended"),
        (person(ANNA, "admin"), ADMIN, "own_account"),
    ],
)
def test_only_an_admin_in_good_standing_moderates_and_never_himself(
    actor: Actor, standing: Standing | None, code: str
) -> None:
    for asked in (suspension(by=standing), reinstatement(by=standing), grant(by=standing)):
        decided = logged_in().ask(asked, by=actor)
        assert (decided.code, decided.told) == (code, ())


def test_moderating_nobody_is_not_found() -> None:
    assert Story().ask(suspension(), by=person(ADA, "admin")).code == "not_found"


# Roles and names.


def test_a_verified_person_becomes_a_seller_and_old_tokens_die() -> None:
    story = logged_in().later(HOUR)

    decided = story.ask(become_seller())

    assert decided.answer == {"roles": ["buyer", "seller"], "decidedAt": NOON + HOUR}
    assert (story.account.roles, story.account.tokens_since_ms) == (("buyer", "seller"), NOON + HOUR)
    assert PHONE in story.account.sessions
    assert story.ask(become_seller()).code == "already_granted"


def test_roles_need_a_verified_address() -> None:
    assert registered().ask(become_seller()).code == "email_not_verified"
    assert registered().ask(grant("admin"), by=CLI).code == "email_not_verified"


def test_an_operator_grants_a_role() -> None:
    assert verified().ask(grant("admin"), by=CLI).answer["roles"] == ["buyer", "admin"]


def test_a_new_name_is_told_and_the_same_one_is_not() -> None:
    story = logged_in()

    assert names(story.ask(rename("Anna.K", full_name="sealed anew"))) == ["ProfileUpdated"]
    assert (story.account.username, story.account.full_name_sealed) == ("Anna.K", "sealed anew")
    assert story.ask(rename("Anna.K")).code == "unchanged"
    assert story.ask(rename("sam", taken=True)).code == "username_taken"


# Following and watching.


def test_sellers_can_be_followed_once_and_left_again() -> None:
    story = logged_in()

    assert names(story.ask(follow())) == ["SellerFollowed"]
    assert story.ask(follow(followed=True)).code == "already_following"
    assert names(story.ask(unfollow())) == ["SellerUnfollowed"]
    assert story.ask(unfollow(followed=False)).code == "not_following"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (follow(ANNA, who=SELLER), "own_account"),
        (follow(who=BUYER), "not_a_seller"),
        (follow(who=None), "not_found"),
    ],
)
def test_only_other_sellers_can_be_followed(asked: Asking, code: str) -> None:
    assert logged_in().ask(asked).code == code


def test_an_auction_is_watched_once_and_left_again() -> None:
    story = logged_in()

    [told] = story.ask(watch()).told
    assert told.event == users.AuctionWatched(user_id=ANNA, auction_id=LAMP)
    assert story.ask(watch(watched=True)).code == "already_watching"
    assert names(story.ask(unwatch())) == ["AuctionUnwatched"]
    assert story.ask(unwatch(watched=False)).code == "not_watching"


def test_every_event_moves_the_sequence_by_one() -> None:
    story = logged_in().asked(become_seller(), follow(), watch(), (users.LogOutAll(user_id=ANNA), None))

    assert isinstance(story.state, Account)
    assert story.state.sequence == len(story.told)


def test_deciding_reads_no_clock_draws_no_chance_and_touches_nothing() -> None:
    folder = Path(str(consumers.accounts.__file__)).parent
    pure = {"account", "facts", "decide", "access", "mailing", "profile"}
    allowed = {"collections", "dataclasses", "datetime", "types", "typing", "uuid", "schemas"}

    for name in pure:
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("consumers.accounts"):
                mine = node.module or ""
                names = {one.name for one in node.names} if mine == "consumers.accounts" else {mine.rpartition(".")[2]}
                assert names <= pure, name
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] in allowed, name
            elif isinstance(node, ast.Import):
                assert {one.name.partition(".")[0] for one in node.names} <= allowed, name
