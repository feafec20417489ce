"""Pages: what happened, the bank's question (3-D Secure), and the seller's form (Connect onboarding)."""

from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from compose.sandboxes.stripe.accounts import living, onboard
from compose.sandboxes.stripe.attempts import answer_challenge
from compose.sandboxes.stripe.currencies import words
from compose.sandboxes.stripe.events import Webhooks
from compose.sandboxes.stripe.ledger import books
from compose.sandboxes.stripe.store import PLATFORM, Body
from compose.sandboxes.stripe.world import World
from schemas.envelope import print_time

STYLE = Path(__file__).with_name("stripe.css").read_text()
SHOWN_MAX = 100
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self' http: https:; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(world: World, webhooks: Webhooks) -> list[Route]:
    """The pages' addresses."""

    def done() -> None:
        webhooks.queue()
        world.store.save()

    async def overview(_: Request) -> Response:
        return _html("What happened", _overview(world))

    async def style(_: Request) -> Response:
        return Response(STYLE, media_type="text/css")

    async def challenge(request: Request) -> Response:
        kind = "payment_intent" if request.path_params["id"].startswith("pi_") else "setup_intent"
        intent = world.store.get(kind, request.path_params["id"])
        if intent is None or request.query_params.get("client_secret") != intent["client_secret"]:
            return _html("Not found", "<p>There is no such question.</p>", 404)
        if request.method == "POST":
            approved = (await _form(request)).get("outcome") == "approve"
            redirect = ((intent["next_action"] or {}).get("redirect_to_url") or {}).get("return_url")
            answer_challenge(world, intent, approved=approved)
            done()
            if redirect:
                mark = "&" if "?" in redirect else "?"
                return RedirectResponse(
                    f"{redirect}{mark}{kind}={intent['id']}&redirect_status={'succeeded' if approved else 'failed'}",
                    303,
                )
        return _html("Your bank asks", _challenge(intent))

    async def onboarding(request: Request) -> Response:
        link = world.store.get("_link", request.path_params["id"])
        if link is None or link["code"] != request.path_params["code"]:
            return _html("Not found", "<p>There is no such page.</p>", 404)
        if link["used"] or link["expires_at"] < world.now():
            return RedirectResponse(link["refresh_url"], 303)
        account = living(world, link["account"])
        if request.method == "GET":
            return _html("Get paid", _ONBOARDING)
        outcome = (await _form(request)).get("outcome", "complete")
        if outcome not in ("complete", "needs_document", "rejected"):
            return _html("Not understood", "<p>Choose one of the answers.</p>", 422)
        link["used"] = True
        world.store.change(link)
        onboard(world, account, outcome)  # type: ignore[arg-type]
        done()
        return RedirectResponse(link["return_url"], 303)

    return [
        Route("/", overview),
        Route("/stripe.css", style),
        Route("/3ds/{id}", challenge, methods=["GET", "POST"]),
        Route("/setup/e/{id}/{code}", onboarding, methods=["GET", "POST"]),
    ]


async def _form(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()}


_ONBOARDING = """<p>Here Stripe would ask the seller who he is and where his money should go. Choose how that ends:</p>
<form method="post">
<button name="outcome" value="complete">Everything is right: he can be paid</button>
<button name="outcome" value="needs_document">A document is missing</button>
<button name="outcome" value="rejected">He is refused</button>
</form>"""


def _challenge(intent: Body) -> str:
    if intent["status"] != "requires_action":
        return f"<p>Answered: the intent is <strong>{escape(intent['status'])}</strong>. You may close this page.</p>"
    about = words(intent["amount"], intent["currency"]) if "amount" in intent else "keeping this card"
    return f"""<p>Here the payer's bank would ask for a code or a fingerprint. It is about <strong>{escape(about)}</strong>.</p>
<form method="post"><button name="outcome" value="approve">Approve</button><button name="outcome" value="fail">Refuse</button></form>"""


def _overview(world: World) -> str:
    return "".join(
        (
            _table("Books", ("currency", "who", "amount"), _totals(world)),
            _table("Payments", ("at", "id", "amount", "status", "order", "failure"), _payments(world)),
            _table(
                "Refunds",
                ("at", "id", "amount", "status", "payment"),
                _moved(world, "refund", "status", "payment_intent"),
            ),
            _table(
                "Transfers",
                ("at", "id", "amount", "reversed", "account"),
                _moved(world, "transfer", "amount_reversed", "destination"),
            ),
            _table(
                "Disputes",
                ("at", "id", "amount", "status", "payment"),
                _moved(world, "dispute", "status", "payment_intent"),
            ),
            _table("Sellers", ("at", "id", "payouts", "details", "missing"), _sellers(world)),
            _table("Webhooks", ("event", "type", "state", "answers"), _deliveries(world)),
        )
    )


def _newest(world: World, kind: str) -> list[Body]:
    return [
        body for body, _ in zip(world.store.newest(kind), range(SHOWN_MAX), strict=False) if not body.get("deleted")
    ]


def _at(body: Body) -> str:
    return print_time(body["created"] * 1000)


def _totals(world: World) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for currency, of in books(world)["totals"].items():
        sellers = [amount for who, amount in of.items() if who.startswith("acct_")]
        shown = {
            "payers": of.get("payers", 0),
            "the platform": of.get(PLATFORM, 0),
            f"sellers ({len(sellers)})": sum(sellers),
            "Stripe's fees": of["stripe"],
            "all together": of["sum"],
        }
        rows += [(currency, who, words(amount, currency)) for who, amount in shown.items()]
    return rows


def _payments(world: World) -> list[tuple[object, ...]]:
    return [
        (
            _at(one),
            one["id"],
            words(one["amount"], one["currency"]),
            one["status"],
            one["metadata"].get("order_id", ""),
            (one["last_payment_error"] or {}).get("decline_code") or (one["last_payment_error"] or {}).get("code", ""),
        )
        for one in _newest(world, "payment_intent")
    ]


def _moved(world: World, kind: str, *more: str) -> list[tuple[object, ...]]:
    return [
        (_at(one), one["id"], words(one["amount"], one["currency"]), *(_said(one, name) for name in more))
        for one in _newest(world, kind)
    ]


def _said(one: Body, name: str) -> object:
    return words(one[name], one["currency"]) if name == "amount_reversed" else one[name]


def _sellers(world: World) -> list[tuple[object, ...]]:
    return [
        (
            _at(one),
            one["id"],
            one["payouts_enabled"],
            one["details_submitted"],
            ", ".join(one["requirements"]["currently_due"]),
        )
        for one in _newest(world, "account")
    ]


def _deliveries(world: World) -> list[tuple[object, ...]]:
    return [
        (one["event"], one["type"], one["state"], ", ".join(map(str, one["answers"])))
        for one in _newest(world, "_delivery")
    ]


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    if not rows:
        return f"<h2>{title}</h2><p class='nothing'>None yet.</p>"
    marks = [' class="amount"' if name in ("amount", "reversed") else "" for name in heads]
    head = "".join(f"<th{mark}>{name}</th>" for name, mark in zip(heads, marks, strict=True))
    body = "".join(f"<tr>{_cells(row, marks)}</tr>" for row in rows)
    return f"<h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: tuple[object, ...], marks: list[str]) -> str:
    texts = (escape("" if cell is None else str(cell)) for cell in row)
    return "".join(f"<td{mark}>{text}</td>" for text, mark in zip(texts, marks, strict=True))


def _html(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/stripe.css"></head><body><header><strong>Stripe stand-in</strong> '
        f"keeps what would have been paid. No money moved.</header><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status,
        headers=HEADERS,
    )
