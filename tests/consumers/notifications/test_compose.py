"""The words of our mail: the token gets through, and nothing that a person typed becomes anything else than text."""

import re
from html.parser import HTMLParser

import pytest

from consumers.notifications.compose import Undeliverable
from tests.consumers.notifications.builders import TOKEN, mail

pytestmark = pytest.mark.quick


class Seen(HTMLParser):
    """What a mail program would find in our HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_token_stands_in_the_link_and_in_clear_in_both_forms() -> None:
    letter = mail("email-verification")

    seen = Seen(letter.html)
    assert seen.links == [f"https://shop.example/verify?token={TOKEN}"]
    assert TOKEN in seen.text
    assert letter.text.count(TOKEN) == 2
    assert f"https://shop.example/verify?token={TOKEN}" in letter.text


def test_a_reset_letter_leads_to_another_page_and_says_what_it_is_about() -> None:
    letter = mail("password-reset")

    assert Seen(letter.html).links == [f"https://shop.example/reset?token={TOKEN}"]
    assert letter.subject == "Choose a new password for Video Marketplace"


def test_it_says_until_when_the_token_works_in_utc() -> None:
    assert "01 May 2030, 00:00 UTC" in mail().text


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "<a href='//evil.example'>",
        "&lt;b&gt;",
        "{{7*7}} ${7} %s",
    ],
)
def test_a_name_stays_text_in_html(name: str) -> None:
    plain, evil = Seen(mail().html), Seen(mail(username=name).html)

    assert evil.tags == plain.tags
    assert evil.links == plain.links
    assert name.replace(".", ".\u200b").replace(":", ":\u200b") in evil.text


@pytest.mark.parametrize("name", ["free-phone.example", "https://evil.example", "www.evil.example/login"])
def test_a_name_that_looks_like_an_address_is_not_made_a_link_by_the_mail_program(name: str) -> None:
    letter = mail(username=name)

    # What mail programs take for a link: letters, a dot, letters; or a scheme.
    found = re.findall(r"\b[a-z-]+(?:\.[a-z-]+)+|https?://[a-z.]+", letter.text)
    assert set(found) == {"https://shop.example"}


@pytest.mark.parametrize("name", ["anna\r\nBcc: all@example.org", "anna\n\n--boundary", "an\u202ena", "anna\u2028x"])
def test_a_name_cannot_begin_a_line_or_turn_the_text_around(name: str) -> None:
    letter = mail(username=name)

    assert letter.subject == mail().subject
    assert len(letter.text.splitlines()) == len(mail().text.splitlines())
    assert "\u202e" not in letter.text + letter.html


@pytest.mark.parametrize(
    "to",
    [
        "anna@example.org\r\nBcc: all@example.org",
        "anna@example.org, all@example.org",
        "Anna <anna@example.org>",
        "anna@example.org ",
        "anna",
        "",
        "a@b@c.example",
        "anna@example.org\x00",
    ],
)
def test_what_is_not_one_plain_address_gets_no_mail_and_is_not_repeated_in_the_reason(to: str) -> None:
    with pytest.raises(Undeliverable) as caught:
        mail(to=to)

    assert str(caught.value) == "not one plain e-mail address"


@pytest.mark.parametrize("token", ["x&next=//evil.example", "x\r\ny", 'x"><script>', "../../x", "x#y"])
def test_a_token_cannot_change_where_the_link_leads(token: str) -> None:
    [link] = Seen(mail(token=token).html).links

    assert re.fullmatch(r"https://shop\.example/verify\?token=[A-Za-z0-9%._~-]+", link)


def test_a_shop_below_a_path_keeps_its_path() -> None:
    assert Seen(mail(public_url="https://shop.example/market/").html).links == [
        f"https://shop.example/market/verify?token={TOKEN}"
    ]
