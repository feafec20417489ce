"""Letters about orders: which event calls for whose letter, and the letter written out."""

import uuid
from html import escape
from uuid import UUID

from consumers.notifications.compose import PRODUCT, Mail, frame, must_be_address, printable, unlinked
from consumers.notifications.order_words import SIDES, Side, words
from consumers.runtime import Incoming, Job
from schemas.envelope import Wire
from schemas.registry import BY_NAME

SEND_ORDER_EMAIL = "send_order_email"
"""The kind of job that sends a letter about an order."""


class OrderLetter(Wire):
    """One letter to one side of an order; the payload of its job. `said` is the event's data as it was told."""

    happened: str
    side: Side
    user_id: UUID
    order_id: UUID
    said: str

    @property
    def occasion(self) -> str:
        """What the letter is about, as the provider's statistics and our records name it."""
        return BY_NAME[self.happened].ce_type.removeprefix("payment.").rpartition(".")[0]


def jobs_of(incoming: Incoming) -> list[Job]:
    """The jobs that an event calls for, one per side written to: the same jobs each time the event comes."""
    return [
        Job(
            id=uuid.uuid5(incoming.id, f"email:{side}"),
            kind=SEND_ORDER_EMAIL,
            payload=_letter(incoming, side).model_dump_json(by_alias=True).encode(),
            correlation_id=incoming.correlation_id,
            traceparent=incoming.traceparent,
        )
        for side in SIDES
        if words(incoming.body, side) is not None
    ]


def _letter(incoming: Incoming, side: Side) -> OrderLetter:
    body = incoming.body
    return OrderLetter(
        happened=incoming.type,
        side=side,
        user_id=body.buyer_id if side == "buyer" else body.seller_id,
        order_id=body.order_id,
        said=body.model_dump_json(by_alias=True),
    )


def write(letter: OrderLetter, *, to: str, username: str) -> Mail:
    """The mail; raises Undeliverable when `to` is not one plain address."""
    must_be_address(to)
    event = BY_NAME[letter.happened].model.model_validate_json(letter.said)
    said = words(event, letter.side)
    assert said is not None, "a job is made only where there are words"
    title = unlinked(getattr(event, "title", ""))
    subject = said.subject.replace("{title}", title)
    # Whatever stands in a sentence may have been typed by a person: nothing in it becomes a link, and HTML is escaped.
    sentences = [unlinked_but_numbers(sentence).replace("{title}", f"“{title}”") for sentence in said.sentences]
    number = f"Order {letter.order_id}"
    text = "\n\n".join([f"Hello {unlinked(username)},", *sentences, f"You find it under Orders.\n{number}", PRODUCT])
    paragraphs = [f"Hello {escape(unlinked(username))},", *map(escape, sentences)]
    body = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    small = f'<p style="margin-top:28px;font-size:14px;color:#5a6376">You find it under Orders.<br>{escape(number)}</p>'
    return Mail(to=to, subject=subject, text=text + "\n", html=frame(subject, f"{body}\n{small}"))


def unlinked_but_numbers(sentence: str) -> str:
    """A sentence in which no word looks like an address to a mail program; amounts keep their point."""
    return " ".join(word if _is_plain(word) else unlinked(word) for word in printable(sentence).split(" "))


def _is_plain(word: str) -> bool:
    inner = word.strip("().,;!?")
    return ("." not in inner and ":" not in inner) or inner.replace(".", "").replace(":", "").isdigit()
