"""What is written to people: (occasion, facts) -> mail. No clock, no I/O; nothing that a person typed is ever evaluated."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Literal
from urllib.parse import quote

Occasion = Literal["email-verification", "password-reset"]

PRODUCT = "Video Marketplace"

_ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>(),;:\"\[\]\\\x00-\x1f\x7f]{1,255}")
_ZERO_WIDTH_SPACE = "\u200b"


class Undeliverable(Exception):
    """No mail can be written from this; the text says why and holds no address."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail, the same said twice: as plain text and as HTML."""

    to: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Wording:
    subject: str
    path: str
    what_to_do: str
    button: str
    otherwise: str


_WORDINGS: dict[Occasion, _Wording] = {
    "email-verification": _Wording(
        subject=f"Confirm your e-mail address for {PRODUCT}",
        path="verify",
        what_to_do="please confirm that this e-mail address is yours, so that you can bid and sell.",
        button="Confirm e-mail address",
        otherwise="If you did not open an account with us, you need not do anything: somebody mistyped an address.",
    ),
    "password-reset": _Wording(
        subject=f"Choose a new password for {PRODUCT}",
        path="reset",
        what_to_do="somebody, hopefully you, asked for a new password for your account.",
        button="Choose a new password",
        otherwise="If it was not you, you need not do anything: your password stays as it is.",
    ),
}


def compose(occasion: Occasion, *, to: str, username: str, token: str, expires_at: datetime, public_url: str) -> Mail:
    """The mail that carries a token: as a link below `public_url`, and in clear for those who must copy it.

    Raises Undeliverable when `to` is not one plain address.
    """
    must_be_address(to)
    wording = _WORDINGS[occasion]
    parts = _Parts(
        name=unlinked(username),
        link=f"{public_url.rstrip('/')}/{wording.path}?token={quote(token, safe='')}",
        token=printable(token),
        until=f"{expires_at.astimezone(UTC):%d %B %Y, %H:%M} UTC",
    )
    return Mail(to=to, subject=wording.subject, text=_text(wording, parts), html=_html(wording, parts))


@dataclass(frozen=True, slots=True)
class _Parts:
    name: str
    link: str
    token: str
    until: str


def must_be_address(to: str) -> None:
    """Raise Undeliverable when `to` is not one plain address."""
    if _ADDRESS.fullmatch(to) is None:
        raise Undeliverable("not one plain e-mail address")


def printable(text: str) -> str:
    """A text without characters that are not seen."""
    return "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})


def unlinked(name: str) -> str:
    """A text that a person typed, in which no mail program finds a link."""
    # Mail programs make a link of anything like `free-phone.example`: a name must not smuggle one into our mail.
    return printable(name).replace(".", f".{_ZERO_WIDTH_SPACE}").replace(":", f":{_ZERO_WIDTH_SPACE}")


def _text(wording: _Wording, parts: _Parts) -> str:
    return f"""\
Hello {parts.name},

{wording.what_to_do}

{wording.button}:
{parts.link}

Or enter this code:
{parts.token}

It works once, until {parts.until}.

{wording.otherwise}

{PRODUCT}
"""


def _html(wording: _Wording, parts: _Parts) -> str:
    # Styles stand in the elements: mail programs drop style sheets.
    link = escape(parts.link)
    body = f"""\
<p>Hello {escape(parts.name)},</p>
<p>{escape(wording.what_to_do)}</p>
<p style="margin:28px 0"><a href="{link}" style="display:inline-block;padding:12px 24px;background:#1a56c4;color:#ffffff;\
border-radius:8px;text-decoration:none;font-weight:600">{escape(wording.button)}</a></p>
<p style="margin-bottom:4px">Or enter this code:</p>
<p style="margin-top:0;padding:12px;background:#f4f5f7;border-radius:8px;font-family:monospace;word-break:break-all">\
{escape(parts.token)}</p>
<p>It works once, until {escape(parts.until)}.</p>
<p style="margin-top:28px;font-size:14px;color:#5a6376">{escape(wording.otherwise)}</p>"""
    return frame(wording.subject, body)


def frame(subject: str, body: str) -> str:
    """A letter's HTML around what it says."""
    return f"""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(subject)}</title></head>
<body style="margin:0;padding:24px;background:#f4f5f7;font-family:system-ui,-apple-system,'Segoe UI',sans-serif;color:#1d2330">
<div style="max-width:520px;margin:0 auto;padding:32px;background:#ffffff;border-radius:12px;line-height:1.5">
<p style="margin:0 0 24px;font-weight:700;color:#5a6376">{escape(PRODUCT)}</p>
{body}
</div>
</body>
</html>
"""
