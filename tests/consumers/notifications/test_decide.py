"""What the outcome of a message means."""

import pytest

from consumers.notifications.decide import Judgement, Known, decide, evolve
from consumers.runtime import Actor
from schemas.notifications import NotificationFailed, NotificationSent
from tests.consumers.notifications.builders import ANNA, LETTER, PLATFORM, failed, sent

pytestmark = pytest.mark.quick


def test_a_letter_that_the_provider_took_is_told_as_sent() -> None:
    judgement = decide(None, sent(), PLATFORM)

    assert judgement == Judgement(
        "accepted",
        "sent",
        NotificationSent(
            user_id=ANNA, notification_id=LETTER, channel="email", kind="email-verification", provider_id="sg-1"
        ),
    )


def test_a_letter_that_was_given_up_is_told_with_the_reason() -> None:
    told = decide(None, failed(reason="SendGrid answered 413"), PLATFORM).told

    assert isinstance(told, NotificationFailed)
    assert told.reason == "SendGrid answered 413"


@pytest.mark.parametrize("again", [sent(), failed()])
def test_what_is_sent_stays_sent(again: object) -> None:
    assert decide("sent", again, PLATFORM) == Judgement("no_op", "already_sent")  # type: ignore[arg-type]


def test_what_had_failed_is_not_told_twice() -> None:
    assert decide("failed", failed(), PLATFORM) == Judgement("no_op", "already_failed")


def test_what_had_failed_may_still_be_sent() -> None:
    known: Known = evolve(None, decide(None, failed(), PLATFORM).told)

    judgement = decide(known, sent(), PLATFORM)

    assert (known, judgement.code, evolve(known, judgement.told)) == ("failed", "sent", "sent")


@pytest.mark.parametrize("actor", [None, Actor(str(ANNA), ("admin",))])
def test_nobody_but_our_own_processes_says_what_was_sent(actor: Actor | None) -> None:
    assert decide(None, sent(), actor) == Judgement("refused", "forbidden")
    assert evolve(None, None) is None
