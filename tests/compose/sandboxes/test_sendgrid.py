"""The SendGrid stand-in, spoken to by SendGrid's own SDK and by a browser's eyes."""

import json
from typing import Any

import httpx
import pytest
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from tests.compose.sandboxes.standin import KEY, SENDER, Standin

pytestmark = pytest.mark.quick


def mail(**changes: Any) -> dict[str, Any]:
    """A good request; a change of None leaves the field away."""
    good = {
        "personalizations": [{"to": [{"email": "anna@example.org", "name": "Anna"}]}],
        "from": {"email": SENDER, "name": "Marketplace"},
        "subject": "Hello",
        "content": [
            {"type": "text/plain", "value": "Hello Anna"},
            {"type": "text/html", "value": "<p>Hello <b>Anna</b></p>"},
        ],
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def send(standin: Standin, request: dict[str, Any], *, key: str = KEY) -> Any:
    return SendGridAPIClient(key, host=standin.url).send(request)


def refusal(standin: Standin, request: dict[str, Any], *, key: str = KEY) -> tuple[int, list[dict[str, Any]]]:
    with pytest.raises(HTTPError) as caught:
        send(standin, request, key=key)
    return caught.value.status_code, json.loads(caught.value.body)["errors"]


def test_a_mail_is_taken_with_202_and_can_be_read_by_its_addressee(standin: Standin) -> None:
    response = send(standin, mail(custom_args={"job_id": "j-1"}, categories=["greeting"]))

    [message] = standin.mail(to="ANNA@example.org")
    assert (response.status_code, response.body) == (202, b"")
    assert message["message_id"] == response.headers["X-Message-Id"]
    assert (message["subject"], message["text"], message["html"]) == ("Hello", "Hello Anna", "<p>Hello <b>Anna</b></p>")
    assert (message["custom_args"], message["categories"], message["repeat_of"]) == (
        {"job_id": "j-1"},
        ["greeting"],
        None,
    )
    assert standin.mail(to="ben@example.org") == []
    assert standin.http.get(f"/sandbox/messages/{message['id']}").json() == message


def test_the_same_job_sent_again_is_shown_as_a_repeat(standin: Standin) -> None:
    for _ in range(2):
        send(standin, mail(custom_args={"job_id": "j-2"}))

    again, first = standin.mail()
    assert (first["repeat_of"], again["repeat_of"]) == (None, first["id"])


def test_each_personalization_is_a_message_of_its_own(standin: Standin) -> None:
    people = [
        {"to": [{"email": "anna@example.org"}]},
        {"to": [{"email": "ben@example.org"}], "subject": "Hello Ben", "custom_args": {"job_id": "b"}},
    ]

    send(standin, mail(personalizations=people, custom_args={"job_id": "a", "run": "1"}))

    ben, anna = standin.mail()
    assert (anna["subject"], anna["custom_args"]) == ("Hello", {"job_id": "a", "run": "1"})
    assert (ben["subject"], ben["custom_args"]) == ("Hello Ben", {"job_id": "b", "run": "1"})


def test_a_wrong_key_is_refused_in_sendgrids_words(standin: Standin) -> None:
    status, [error] = refusal(standin, mail(), key="SG.wrong")

    assert status == 401
    assert error == {
        "message": "The provided authorization grant is invalid, expired, or revoked",
        "field": None,
        "help": None,
    }
    assert standin.mail() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"personalizations": None}, "personalizations"),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "anna"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "a@b.cd\r\nBcc: x@y.zz"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "a@b.cd", "name": 5}]}]}, "personalizations.0.to.0.name"),
        ({"personalizations": [{"to": [{"email": "a@b.cd"}], "cc": "a@b.cd"}]}, "personalizations.0.cc"),
        ({"personalizations": [{"to": [{"email": "a@b.cd"}], "cc": [{"email": "A@b.cd"}]}]}, "personalizations.0"),
        ({"personalizations": [{"to": [{"email": "a@b.cd"}], "subject": ""}]}, "personalizations.0.subject"),
        ({"from": None}, "from.email"),
        ({"from": {"email": "nobody"}}, "from.email"),
        ({"reply_to": {"email": "nobody"}}, "reply_to.email"),
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"content": None}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        ({"content": [{"type": "text/html", "value": "a"}, {"type": "text/plain", "value": "b"}]}, "content"),
        ({"attachments": [{"content": "not base64"}]}, "attachments.0.content"),
        ({"headers": {"Subject": "other"}}, "headers.Subject"),
        ({"headers": {"X-Number": 5}}, "headers"),
        ({"custom_args": {"number": 5}}, "custom_args"),
        ({"custom_args": {"long": "x" * 10_001}}, "custom_args"),
        ({"categories": ["c"] * 11}, "categories"),
        ({"send_at": 9_999_999_999}, "send_at"),
        ({"send_at": "tomorrow"}, "send_at"),
    ],
)
def test_a_request_that_sendgrid_would_refuse_is_refused_with_the_fields_path(
    standin: Standin, changes: dict[str, Any], field: str
) -> None:
    status, errors = refusal(standin, mail(**changes))

    assert (status, [error["field"] for error in errors]) == (400, [field])
    assert standin.mail() == []


def test_everything_that_is_wrong_is_named_at_once(standin: Standin) -> None:
    _, errors = refusal(standin, {})

    assert [error["field"] for error in errors] == ["personalizations", "from.email", "subject", "content"]


def test_a_sender_of_another_domain_is_not_verified(standin: Standin) -> None:
    status, [error] = refusal(standin, mail(**{"from": {"email": "hello@elsewhere.example"}}))

    assert (status, error["field"]) == (403, "from")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * (30 * 1024 * 1024 + 1), "application/json", 413),
    ],
    ids=["not JSON", "not an object", "not declared as JSON", "over 30 MB"],
)
def test_a_body_that_is_no_request_is_refused(standin: Standin, content: bytes, kind: str, status: int) -> None:
    answer = standin.http.post(
        "/v3/mail/send", content=content, headers={"Authorization": f"Bearer {KEY}", "Content-Type": kind}
    )

    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


def test_sandbox_mode_judges_and_sends_nothing(standin: Standin) -> None:
    response = send(standin, mail(mail_settings={"sandbox_mode": {"enable": True}}))

    assert (response.status_code, standin.mail()) == (200, [])


def test_too_many_requests_says_when_to_come_back(standin: Standin) -> None:
    standin.fault(status=429, retry_after_s=7, times=1)

    with pytest.raises(HTTPError) as caught:
        send(standin, mail())

    assert caught.value.status_code == 429
    assert caught.value.headers["Retry-After"] == "7"
    assert caught.value.headers["X-RateLimit-Remaining"] == "0"
    assert send(standin, mail()).status_code == 202


def test_an_error_after_the_effect_leaves_the_mail_sent(standin: Standin) -> None:
    standin.fault(status=500, when="after", times=1)

    status, _ = refusal(standin, mail())

    assert (status, len(standin.mail())) == (500, 1)


def test_duplicates_send_the_mail_again(standin: Standin) -> None:
    standin.fault(duplicates=1, times=1)

    send(standin, mail())

    assert len(standin.mail()) == 2


def test_a_switch_that_makes_no_sense_is_refused(standin: Standin) -> None:
    assert standin.http.post("/sandbox/faults", json={"status": 200}).status_code == 422
    assert standin.http.post("/sandbox/faults", json={"latency": 5}).status_code == 422
    assert standin.http.get("/sandbox/faults").json() == {"items": []}


def test_mail_outlives_a_crash(standin: Standin) -> None:
    send(standin, mail())

    standin.kill()
    standin.start()

    assert [message["subject"] for message in standin.mail()] == ["Hello"]


def test_what_a_mail_says_is_shown_and_never_run(standin: Standin) -> None:
    evil = "<script>alert(1)</script>"
    content = [{"type": "text/plain", "value": evil}, {"type": "text/html", "value": evil}]
    to = [{"email": "anna@example.org", "name": evil}]
    send(standin, mail(subject=evil, content=content, personalizations=[{"to": to}], custom_args={"job_id": evil}))
    [message] = standin.mail()

    pages = [standin.http.get("/"), standin.http.get(f"/messages/{message['id']}"), standin.http.get(f"/?to={evil}")]
    frame = standin.http.get(f"/messages/{message['id']}/html")

    for page in pages:
        assert "<script>alert" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[0].text
    assert "sandbox allow-popups" in frame.headers["Content-Security-Policy"]
    assert "allow-scripts" not in frame.headers["Content-Security-Policy"]


def test_a_message_that_is_not_there_is_not_found(standin: Standin) -> None:
    assert standin.http.get("/messages/999999").status_code == 404
    assert standin.http.get("/sandbox/messages/999999").status_code == 404


def test_a_name_of_the_web_that_points_here_reads_nothing(standin: Standin) -> None:
    answer = httpx.get(f"{standin.url}/sandbox/messages", headers={"Host": "evil.example"})

    assert answer.status_code == 400
