"""SendGrid's answers and what they mean for a job: the real SDK against the stand-in."""

import asyncio
import email.utils
import logging
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from consumers.notifications.gateway import WAIT_S_MAX, SendGrid, _wait_s
from consumers.runtime import GiveUp, TryAgain
from tests.compose.sandboxes.standin import KEY, SENDER, Standin
from tests.consumers.notifications.builders import TOKEN, mail

pytestmark = pytest.mark.quick

JOB = UUID("33333333-0000-4000-8000-000000000003")
SHORT_S = 0.3


@pytest.fixture
def gateway(standin: Standin) -> Iterator[SendGrid]:
    made = _gateway(standin.url)
    yield made
    made.close()


def _gateway(url: str, *, key: str = KEY, sender: str = SENDER) -> SendGrid:
    return SendGrid(api_key=key, host=f"{url}/", sender=sender, at_once=2, silence_s_max=SHORT_S)


async def send(gateway: SendGrid, *, to: str = "anna@example.org") -> str | None:
    return await gateway.send(mail(to=to), job_id=JOB, occasion="email-verification")


async def test_a_mail_arrives_with_its_words_its_job_and_untracked_links(gateway: SendGrid, standin: Standin) -> None:
    provider_id = await send(gateway)

    [message] = standin.mail(to="anna@example.org")
    assert message["message_id"] == provider_id
    assert (message["subject"], message["text"], message["html"]) == (mail().subject, mail().text, mail().html)
    assert message["from"] == {"email": SENDER, "name": "Video Marketplace"}
    assert message["to"] == [{"email": "anna@example.org"}]
    assert message["custom_args"] == {"job_id": str(JOB)}
    assert message["tracking_settings"]["click_tracking"] == {"enable": False, "enable_text": False}


async def test_an_unusual_address_arrives_as_it_is(gateway: SendGrid, standin: Standin) -> None:
    await send(gateway, to="o'hara+bids@xn--bcher-kva.example")

    assert standin.mail()[0]["to"] == [{"email": "o'hara+bids@xn--bcher-kva.example"}]


async def test_a_refused_mail_is_given_up_and_the_reason_names_fields_not_people(gateway: SendGrid) -> None:
    with pytest.raises(GiveUp) as caught:
        await send(gateway, to="anna@nowhere")

    assert str(caught.value) == "SendGrid answered 400 at personalizations.0.to.0.email"


@pytest.mark.parametrize(("key", "sender", "status"), [("SG.old", SENDER, 401), (KEY, "hello@elsewhere.example", 403)])
async def test_a_wrong_key_or_sender_is_ours_to_repair_and_loses_no_mail(
    standin: Standin, key: str, sender: str, status: int
) -> None:
    with pytest.raises(TryAgain, match=f"SendGrid answered {status}"):
        await send(_gateway(standin.url, key=key, sender=sender))


async def test_a_busy_provider_says_when_to_come_back(gateway: SendGrid, standin: Standin) -> None:
    standin.fault(status=429, retry_after_s=7)

    with pytest.raises(TryAgain) as caught:
        await send(gateway)

    assert caught.value.after_s == 7
    assert standin.mail() == []


@pytest.mark.parametrize(("when", "sent"), [("before", 0), ("after", 1)])
async def test_an_error_of_the_provider_is_tried_again_whether_or_not_it_sent(
    gateway: SendGrid, standin: Standin, when: str, sent: int
) -> None:
    standin.fault(status=500, when=when, times=1)

    with pytest.raises(TryAgain) as caught:
        await send(gateway)

    assert (str(caught.value), caught.value.after_s, len(standin.mail())) == ("SendGrid answered 500", None, sent)


async def test_a_repeat_after_an_unknown_outcome_can_be_recognised(gateway: SendGrid, standin: Standin) -> None:
    standin.fault(status=503, when="after", times=1)

    with pytest.raises(TryAgain):
        await send(gateway)
    await send(gateway)

    again, first = standin.mail()
    assert again["repeat_of"] == first["id"]


async def test_a_silent_provider_is_waited_for_no_longer_than_agreed(gateway: SendGrid, standin: Standin) -> None:
    standin.fault(latency_ms=5_000, times=1)
    began = time.monotonic()

    with pytest.raises(TryAgain, match="no answer from SendGrid"):
        await send(gateway)

    assert time.monotonic() - began < 10 * SHORT_S


async def test_an_absent_provider_is_tried_again() -> None:
    with pytest.raises(TryAgain, match="no answer from SendGrid"):
        await send(_gateway("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\ncut",
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["another page", "cut off", "not HTTP", "closed at once"],
)
async def test_an_answer_that_is_not_sendgrids_is_not_taken_for_a_yes(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TryAgain):
            await send(_gateway(f"http://127.0.0.1:{port}"))


async def test_the_loop_goes_on_while_the_sdk_waits(gateway: SendGrid, standin: Standin) -> None:
    standin.fault(latency_ms=150)
    ticks = 0

    sending = asyncio.gather(*(send(gateway) for _ in range(2)))
    while not sending.done():
        await asyncio.sleep(0.005)
        ticks += 1

    await sending
    assert ticks > 10


async def test_nothing_secret_is_logged(
    gateway: SendGrid, standin: Standin, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.fault(status=500, times=1)
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(TryAgain):
            await send(gateway)
        with pytest.raises(TryAgain):
            await send(_gateway(standin.url, key="SG.planted-key"))
        await send(gateway)

    said = caplog.text + "".join(capsys.readouterr())
    for secret in (KEY, "SG.planted-key", TOKEN, "anna@example.org"):
        assert secret not in said


NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": email.utils.formatdate(NOW_S + 90, usegmt=True)}, 90),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "999999"}, WAIT_S_MAX),
        ({"X-RateLimit-Reset": str(int(NOW_S) + 12)}, 12),
        ({"X-RateLimit-Reset": str(int(NOW_S) - 12)}, None),
        ({"X-RateLimit-Reset": "-5"}, None),
        ({"Retry-After": "3", "X-RateLimit-Reset": str(int(NOW_S) + 12)}, 3),
    ],
)
def test_the_wait_that_the_provider_asks_for_is_read_and_bounded(headers: dict[str, str], wait_s: float | None) -> None:
    assert _wait_s(headers, now_s=NOW_S) == wait_s
