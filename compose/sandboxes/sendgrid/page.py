"""The outbox as a page: a list of what was sent, and one message as its reader would see it."""

from html import escape
from pathlib import Path

from compose.sandboxes.sendgrid.outbox import Letter

_HERE = Path(__file__).parent
STYLE = (_HERE / "outbox.css").read_text()
SCRIPT = (_HERE / "outbox.js").read_text()

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of our own pages."""

MAIL_HEADERS = HEADERS | {
    "Content-Security-Policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:; frame-ancestors 'self'"
    )
}
"""Of a message's HTML, which is foreign text: its styles show, its links open, nothing in it runs or is fetched."""

_LINKS_OPEN_OUTSIDE = '<base target="_blank">'


def outbox(letters: list[Letter], *, to: str) -> str:
    """The list, newest first; `to` is the address that it is narrowed to, or empty."""
    rows = "".join(_row(letter) for letter in letters)
    nothing = (
        "Nothing was sent to this address yet." if to else "Nothing was sent yet. New mail appears here by itself."
    )
    table = (
        f"<table><thead><tr><th>Sent</th><th>To</th><th>Subject</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
        if letters
        else f'<p class="nothing">{nothing}</p>'
    )
    search = (
        f'<form action="/" method="get"><input type="search" name="to" value="{escape(to)}" '
        'placeholder="only mail to this address" aria-label="only mail to this address"><button>Show</button></form>'
    )
    newest = letters[0]["id"] if letters else 0
    return _page("Sent mail", f'<main data-newest="{newest}" data-to="{escape(to)}">{search}{table}</main>')


def _row(letter: Letter) -> str:
    link = f"/messages/{letter['id']}"
    return (
        f'<tr><td><time datetime="{escape(letter["at"])}">{escape(letter["at"][11:19])}</time></td>'
        f"<td>{_people(letter['to'])}</td>"
        f'<td><a href="{link}">{escape(letter["subject"])}</a></td><td>{_marks(letter)}</td></tr>'
    )


def _marks(letter: Letter) -> str:
    marks = [f"<span>{escape(category)}</span>" for category in letter["categories"]]
    if letter["repeat_of"] is not None:
        marks.append(f'<span class="repeat">repeats {letter["repeat_of"]}</span>')
    return "".join(marks)


def _people(people: list[dict[str, str]]) -> str:
    return escape(", ".join(f"{who['name']} <{who['email']}>" if who.get("name") else who["email"] for who in people))


def message(letter: Letter) -> str:
    """One message: its head, its HTML in a frame of its own, its text."""
    facts = {
        "From": _people([letter["from"]]),
        "To": _people(letter["to"]),
        "Cc": _people(letter["cc"]),
        "Bcc": _people(letter["bcc"]),
        "Sent": escape(letter["at"]),
        "Message id": f"<code>{escape(letter['message_id'])}</code>",
    }
    facts |= {
        escape(f"custom_args.{name}"): f"<code>{escape(value)}</code>" for name, value in letter["custom_args"].items()
    }
    facts |= {escape(name): escape(value) for name, value in letter["headers"].items()}
    if letter["repeat_of"] is not None:
        facts["Repeats"] = f'<a href="/messages/{letter["repeat_of"]}">message {letter["repeat_of"]}</a>'
    head = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items() if value)
    frame = (
        f'<iframe src="/messages/{letter["id"]}/html" title="The message as HTML"></iframe>' if letter["html"] else ""
    )
    text = f"<h2>As plain text</h2><pre>{escape(letter['text'])}</pre>" if letter["text"] else ""
    body = (
        f'<main><p><a href="/">All mail</a></p><h1>{escape(letter["subject"])}</h1><dl>{head}</dl>{frame}{text}</main>'
    )
    return _page(letter["subject"], body)


def as_html(letter: Letter) -> str:
    """The message's own HTML, to be served with MAIL_HEADERS."""
    return _LINKS_OPEN_OUTSIDE + str(letter["html"])


def missing() -> str:
    """The page for a message that is not there."""
    return _page("Not found", '<main><p class="nothing">There is no such message. <a href="/">All mail</a></p></main>')


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/outbox.css"><script src="/outbox.js" defer></script>'
        "</head><body><header><strong>SendGrid stand-in</strong> keeps what would have been sent. "
        f"Nothing here reached anybody.</header>{body}</body></html>"
    )
