"""Letters are sent whatever dies: real runners, killed at the worst moments, against the stand-in with its faults on."""

from collections import Counter
from datetime import timedelta
from subprocess import Popen

import pytest

from tests.consumers.notifications.office import Office

pytestmark = pytest.mark.stack


async def test_a_letter_goes_to_the_sealed_address_with_the_sealed_token(office: Office) -> None:
    job_id, reader, token = await office.letter(occasion="password-reset")

    office.start_runner()
    await office.until(office.all_closed)

    [message] = office.standin.mail(to=reader.email)
    assert token in message["text"]
    assert message["custom_args"] == {"job_id": str(job_id)}
    assert message["categories"] == ["password-reset"]
    assert str(office.settings.public_url).rstrip("/") in message["text"]
    assert await office.db.fetchval("SELECT count(*) FROM posted") == 0


async def test_a_runner_killed_before_the_provider_took_it_leaves_the_letter_to_the_next(office: Office) -> None:
    office.standin.fault(latency_ms=60_000, status=503, times=1)
    _, reader, _ = await office.letter()
    office.kill(await runner_with_a_letter_in_hand(office))

    office.start_runner()
    await office.until(office.all_closed)

    assert len(office.standin.mail(to=reader.email)) == 1


async def test_a_runner_killed_after_the_provider_took_it_makes_a_repeat_that_can_be_recognised(office: Office) -> None:
    office.standin.fault(latency_ms=60_000, when="after", times=1)
    _, reader, _ = await office.letter()
    runner = await runner_with_a_letter_in_hand(office)
    await office.until(lambda: arrived(office, reader.email))
    office.kill(runner)

    office.start_runner()
    await office.until(office.all_closed)

    again, first = office.standin.mail(to=reader.email)
    assert again["repeat_of"] == first["id"]
    assert again["text"] == first["text"]


async def test_a_yes_that_was_noted_is_not_asked_for_again(office: Office) -> None:
    job_id, reader, _ = await office.letter()
    await office.db.execute("INSERT INTO posted VALUES ($1, 'sg-1')", job_id)

    office.start_runner()
    await office.until(office.all_closed)

    assert office.standin.mail(to=reader.email) == []
    assert await office.db.fetchval("SELECT count(*) FROM posted") == 0


async def test_two_runners_never_hold_the_same_letter(office: Office) -> None:
    office.standin.fault(latency_ms=80)
    jobs = {str((await office.letter())[0]) for _ in range(40)}

    office.start_runner(lease_s=30)  # Longer than the test: no lease can end, however busy the machine is.
    office.start_runner(lease_s=30)
    await office.until(office.all_closed, within_s=40)

    assert Counter(message["custom_args"]["job_id"] for message in office.standin.mail()) == dict.fromkeys(jobs, 1)
    assert await office.db.fetch("SELECT id FROM jobs WHERE attempts <> 1") == []


async def test_a_letter_that_takes_longer_than_a_lease_is_not_taken_away(office: Office) -> None:
    office.standin.fault(latency_ms=5_000, when="after", times=1)
    await office.letter()

    office.start_runner()
    office.start_runner()
    await office.until(office.all_closed)

    assert len(office.standin.mail()) == 1


async def test_a_provider_that_is_busy_for_a_while_gets_every_letter_once_in_the_end(office: Office) -> None:
    office.standin.fault(status=429, retry_after_s=1, times=25)
    for _ in range(15):
        await office.letter()

    office.start_runner()
    await office.until(office.all_closed, within_s=40)

    assert Counter(message["repeat_of"] for message in office.standin.mail()) == {None: 15}
    assert office.standin.http.get("/sandbox/faults").json() == {"items": []}


async def test_the_letter_of_an_erased_person_is_dropped_without_a_word(office: Office) -> None:
    await office.letter(known=False)
    await office.letter(known=False, expires_in=timedelta(seconds=-1))

    office.start_runner()
    await office.until(office.all_closed)

    assert office.standin.mail() == []
    assert await office.db.fetchval("SELECT count(*) FROM jobs WHERE done_at IS NOT NULL") == 2


async def test_an_expired_token_is_not_sent(office: Office) -> None:
    await office.letter(expires_in=timedelta(seconds=-1))

    office.start_runner()
    await office.until(office.all_closed)

    assert office.standin.mail() == []
    assert await office.db.fetchval("SELECT last_error FROM jobs") == "its token expired before it could be sent"


async def test_an_address_that_the_provider_refuses_is_given_up_at_once(office: Office) -> None:
    await office.letter(email="anna@nowhere")

    office.start_runner()
    await office.until(office.all_closed)

    [job] = await office.db.fetch("SELECT attempts, failed_at, last_error FROM jobs")
    assert job["attempts"] == 1
    assert job["failed_at"] is not None
    assert job["last_error"] == "SendGrid answered 400 at personalizations.0.to.0.email"


async def test_seals_that_do_not_open_are_given_up_and_nothing_secret_stands_in_job_or_log(office: Office) -> None:
    job_id, reader, token = await office.letter()
    stranger, _, _ = await office.letter()
    await office.db.execute(
        """
        UPDATE accounts.keyring SET wrapped_key = k.wrapped_key FROM accounts.keyring AS k
         WHERE keyring.user_id = $1 AND k.user_id <> $1
        """,
        reader.user_id,
    )

    office.start_runner()
    await office.until(lambda: tried(office))

    rows = await office.db.fetch("SELECT jobs::text AS row, convert_from(payload, 'UTF8') AS payload FROM jobs")
    said = office.log.read_text() + "".join(row["row"] + row["payload"] for row in rows)
    for secret in (token, reader.email):
        assert secret not in said
    errors = {row["id"]: row["last_error"] for row in await office.db.fetch("SELECT id, last_error FROM jobs")}
    assert errors[job_id].startswith("its reader's key does not unwrap")
    assert errors[stranger] is None


async def tried(office: Office) -> bool:
    count: int = await office.db.fetchval(
        "SELECT count(*) FROM jobs WHERE done_at IS NOT NULL OR last_error IS NOT NULL"
    )
    return count == 2


async def arrived(office: Office, address: str) -> bool:
    return bool(office.standin.mail(to=address))


async def runner_with_a_letter_in_hand(office: Office) -> Popen[bytes]:
    runner = office.start_runner()
    await office.until(lambda: leased(office))
    return runner


async def leased(office: Office) -> bool:
    count: int = await office.db.fetchval("SELECT count(*) FROM jobs WHERE leased_by IS NOT NULL")
    return count == 1


async def test_a_runner_that_is_told_to_stop_does_not_wait_for_a_silent_provider(office: Office) -> None:
    office.standin.fault(latency_ms=60_000, status=503, times=1)
    await office.letter()
    runner = await runner_with_a_letter_in_hand(office)

    runner.terminate()

    await office.until(lambda: ended(runner), within_s=6)
    assert await office.db.fetchval("SELECT leased_by FROM jobs") is None


async def ended(runner: Popen[bytes]) -> bool:
    return runner.poll() is not None
