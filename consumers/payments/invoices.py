"""Invoices of a paid order: what the buyer paid, what the seller gets. Made of what the order froze, so the same a year later.

A document names people by their ids: who they are stands where erasing a person erases it.
"""

import uuid
from io import BytesIO
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from consumers.payments.fees import BPS, part
from consumers.payments.order import Order
from schemas.envelope import print_time
from schemas.money import print_minor

ISSUER: Final = "Video Marketplace"
Party = Literal["buyer", "seller"]

_LEFT, _RIGHT, _TOP, _LINE = 56, 539, 770, 18
_TITLE_MAX = 70


class Invoice(NamedTuple):
    """One invoice: `document` is JSON, `pdf` the same on paper."""

    order_id: UUID
    party: Party
    number: str
    issued_ms: int
    document: str
    pdf: bytes


def invoices_of(order: Order) -> list[Invoice]:
    """The buyer's and the seller's invoice of a paid order."""
    return [_invoice(order, "buyer", _bought(order)), _invoice(order, "seller", _sold(order))]


def _invoice(order: Order, party: Party, lines: list[tuple[str, int]]) -> Invoice:
    assert order.paid_ms is not None
    number = invoice_number(order, party)
    document = {
        "number": number,
        "issuer": ISSUER,
        "party": party,
        "issuedAt": print_time(order.paid_ms),
        "orderId": str(order.id),
        "auctionId": str(order.auction_id),
        "buyerId": str(order.buyer_id),
        "sellerId": str(order.seller_id),
        "title": order.title,
        "currency": order.currency,
        "feeSchedule": order.terms["version"],
        "lines": [{"text": text, "amount": print_minor(amount)} for text, amount in lines],
        "total": print_minor(sum(amount for _, amount in lines)),
    }
    text = msgspec.json.encode(document).decode()
    return Invoice(order.id, party, number, order.paid_ms, text, render(document))


def invoice_number(order: Order, party: Party) -> str:
    """Unique without a counter: year of payment, `B` or `S`, and what follows from the order's id."""
    assert order.paid_ms is not None
    return f"{print_time(order.paid_ms)[:4]}-{party[0].upper()}-{uuid.uuid5(order.id, party).hex[:16].upper()}"


def _bought(order: Order) -> list[tuple[str, int]]:
    lines = [("Hammer price", order.hammer)]
    if order.shipping:
        lines.append(("Shipping", order.shipping))
    if order.tax:
        lines.append((f"Tax {_percent(order.terms['taxBps'])}", order.tax))
    return lines


def _sold(order: Order) -> list[tuple[str, int]]:
    terms = order.terms
    hammer_fee = min(part(order.hammer, terms["hammerBps"], BPS), order.commission)
    return [
        *[line for line in _bought(order) if not line[0].startswith("Tax")],
        (f"Sale fee {_percent(terms['hammerBps'])} of the hammer price", -hammer_fee),
        (f"Payment fee {_percent(terms['paymentBps'])} and fixed part", hammer_fee - order.commission),
    ]


def _percent(bps: int) -> str:
    return f"{bps / 100:g} %"


def render(document: dict[str, Any]) -> bytes:
    """The document as a PDF: the same bytes for the same document, whenever and wherever."""
    paper = BytesIO()
    canvas = Canvas(paper, pagesize=A4, invariant=True, pageCompression=0)
    canvas.setTitle(f"Invoice {document['number']}")
    canvas.setAuthor(ISSUER)
    y = _head(canvas, document)
    for line in document["lines"]:
        y = _row(canvas, y, line["text"], f"{line['amount']} {document['currency']}")
    canvas.line(_LEFT, y + 12, _RIGHT, y + 12)
    canvas.setFont("Helvetica-Bold", 11)
    _row(canvas, y - 4, "Total", f"{document['total']} {document['currency']}")
    canvas.showPage()
    canvas.save()
    return paper.getvalue()


def _head(canvas: Canvas, document: dict[str, Any]) -> int:
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(_LEFT, _TOP, document["issuer"])
    canvas.setFont("Helvetica", 10)
    y = _TOP - 2 * _LINE
    facts = (
        ("Invoice", document["number"]),
        ("Issued", document["issuedAt"]),
        ("Order", document["orderId"]),
        ("Buyer", document["buyerId"]),
        ("Seller", document["sellerId"]),
        ("Fee schedule", document["feeSchedule"]),
        ("Item", _printable(document["title"])),
    )
    for name, value in facts:
        canvas.drawString(_LEFT, y, name)
        canvas.drawString(_LEFT + 90, y, value)
        y -= _LINE
    return y - _LINE


def _row(canvas: Canvas, y: int, text: str, amount: str) -> int:
    canvas.drawString(_LEFT, y, text)
    canvas.drawRightString(_RIGHT, y, amount)
    return y - _LINE


def _printable(title: str) -> str:
    # The PDF's standard fonts know Latin letters only; the JSON has the title as it is.
    text = title.encode("cp1252", "replace").decode("cp1252")
    return text if len(text) <= _TITLE_MAX else f"{text[: _TITLE_MAX - 3]}..."
