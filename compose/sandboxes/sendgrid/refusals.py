"""What SendGrid finds wrong with a v3 mail send request (its API reference, Mail Send, Errors)."""

import base64
import binascii
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

BYTES_MAX = 30 * 1024 * 1024
_RECIPIENTS_MAX = 1_000
_ADDRESS_CHARACTERS_MAX = 320
_CUSTOM_ARGS_BYTES_MAX = 10_000
_CATEGORIES_MAX = 10
_SCHEDULED_S_MAX = 72 * 3_600
_RESERVED_HEADERS = frozenset(
    {
        "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
        "to", "from", "subject", "reply-to", "cc", "bcc",
    }
)  # fmt: skip
_ADDRESS = re.compile(
    r"[^@\s<>(),;:\"\[\]\\\x00-\x1f\x7f]+@[^@\s<>(),;:\"\\_\x00-\x1f\x7f]+\.[^@\s.<>(),;:\"\\_\x00-\x1f\x7f]+"
)
_HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#"
_EXAMPLE = 'e.g. {"email" : "example@example.com"}  or {"email" : "example@example.com", "name" : "Example Recipient"}.'


class Refusal(NamedTuple):
    """One entry of SendGrid's `errors`."""

    message: str
    field: str | None = None
    help: str | None = None


def refusals(mail: object) -> Iterator[Refusal]:
    """Everything that is wrong with a request's body; nothing when SendGrid would queue it."""
    if not isinstance(mail, dict):
        yield Refusal("Bad Request")
        return
    yield from _of_personalizations(mail)
    yield from _of_sender(mail)
    yield from _of_subject(mail)
    yield from _of_content(mail)
    yield from _of_attachments(mail)
    yield from _of_headers(mail.get("headers"), "headers")
    yield from _of_custom_args(mail.get("custom_args"), "custom_args")
    yield from _of_categories(mail.get("categories"))
    yield from _of_send_at(mail.get("send_at"), "send_at")


def _of_personalizations(mail: dict[str, Any]) -> Iterator[Refusal]:
    entries = mail.get("personalizations")
    if not isinstance(entries, list) or not entries:
        message = "The personalizations field is required and must have at least one personalization."
        yield Refusal(message, "personalizations", _HELP + "-Personalizations-Errors")
        return
    if len(entries) > _RECIPIENTS_MAX:
        message = (
            f"The personalization block is limited to 1000 personalizations per API request. You have provided {len(entries)} "
            "personalizations. Please consider splitting this into multiple requests and resending your request."
        )
        yield Refusal(message, "personalizations", _HELP + "message.personalizations")
        return
    recipients = 0
    for place, entry in enumerate(entries):
        field = f"personalizations.{place}"
        if not isinstance(entry, dict):
            yield Refusal("Invalid type. Expected: object.", field, _HELP + "message.personalizations")
            continue
        if entry.get("from") is not None:
            yield from _of_address(entry["from"], f"{field}.from", "message.personalizations.from")
        if entry.get("subject") is not None and not _has_subject(entry):
            message = "The subject of your email must be a string at least one character in length."
            yield Refusal(message, f"{field}.subject", _HELP + "message.personalizations.subject")
        recipients += sum(len(entry[kind]) for kind in ("to", "cc", "bcc") if isinstance(entry.get(kind), list))
        yield from _of_recipients(entry, field)
        yield from _of_headers(entry.get("headers"), f"{field}.headers")
        yield from _of_custom_args(_merged(mail, entry, "custom_args"), f"{field}.custom_args")
        yield from _of_send_at(entry.get("send_at"), f"{field}.send_at")
    if recipients > _RECIPIENTS_MAX:
        message = "There is a limit of 1000 total recipients (to + cc + bcc) per request."
        yield Refusal(message, "personalizations", _HELP + "message.recipient-errors")


def _of_recipients(entry: dict[str, Any], field: str) -> Iterator[Refusal]:
    if not isinstance(entry.get("to"), list) or not entry["to"]:
        message = (
            "The to array is required for all personalization objects, and must have at least one email object "
            "with a valid email address."
        )
        yield Refusal(message, f"{field}.to", _HELP + "message.personalizations.to")
        return
    seen: set[str] = set()
    for kind in ("to", "cc", "bcc"):
        people = entry.get(kind) or []
        if not isinstance(people, list):
            yield Refusal(
                "Invalid type. Expected: array.", f"{field}.{kind}", f"{_HELP}message.personalizations.{kind}"
            )
            continue
        for place, person in enumerate(people):
            found = list(_of_address(person, f"{field}.{kind}.{place}", f"message.personalizations.{kind}"))
            if found:
                yield from found
                continue
            address = person["email"].lower()
            if address in seen:
                message = (
                    "Each email address in the personalization block should be unique between to, cc, and bcc. "
                    f"We found the first duplicate instance of [{address}] in the {field}.{kind} field."
                )
                yield Refusal(message, field, _HELP + "message.recipient-errors")
                return
            seen.add(address)


def _of_address(person: object, field: str, anchor: str) -> Iterator[Refusal]:
    address = person.get("email") if isinstance(person, dict) else None
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        yield Refusal("Does not contain a valid address.", f"{field}.email", _HELP + anchor)
    elif len(address) > _ADDRESS_CHARACTERS_MAX:
        message = "The email exceeds the maximum total length of 320 characters"
        yield Refusal(message, f"{field}.email", _HELP + anchor)
    elif isinstance(person, dict) and not isinstance(person.get("name", ""), str):
        yield Refusal("Invalid type. Expected: string.", f"{field}.name", _HELP + anchor)


def _of_sender(mail: dict[str, Any]) -> Iterator[Refusal]:
    sender = mail.get("from")
    if not isinstance(sender, dict) or not sender.get("email"):
        message = (
            "The from object must be provided for every email send. It is an object that requires the email parameter, "
            f"but may also contain a name parameter.  {_EXAMPLE}"
        )
        yield Refusal(message, "from.email", _HELP + "message.from")
        return
    yield from _of_address(sender, "from", "message.from")
    if mail.get("reply_to") is not None:
        yield from _of_address(mail["reply_to"], "reply_to", "message.reply_to")


def _of_subject(mail: dict[str, Any]) -> Iterator[Refusal]:
    entries = mail.get("personalizations")
    everywhere = isinstance(entries, list) and bool(entries) and all(_has_subject(entry) for entry in entries)
    if mail.get("template_id") or _has_subject(mail) or everywhere:
        return
    message = (
        "The subject is required. You can get around this requirement if you use a template with a subject defined "
        "or if every personalization has a subject defined."
    )
    yield Refusal(message, "subject", _HELP + "message.subject")


def _has_subject(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("subject"), str) and bool(part["subject"])


def _of_content(mail: dict[str, Any]) -> Iterator[Refusal]:
    blocks = mail.get("content")
    if not isinstance(blocks, list) or not blocks:
        if not mail.get("template_id"):
            message = (
                "Unless a valid template_id is provided, the content parameter is required. There must be at least one "
                "defined content block. We typically suggest both text/plain and text/html blocks are included, "
                "but only one block is required."
            )
            yield Refusal(message, "content", _HELP + "message.content")
        return
    kinds = []
    for place, block in enumerate(blocks):
        kind = block.get("type") if isinstance(block, dict) else None
        value = block.get("value") if isinstance(block, dict) else None
        kinds.append(kind)
        if not isinstance(kind, str) or not kind or re.search(r"[;\r\n]", kind):
            message = "The content type must be a string at least one character in length."
            yield Refusal(message, f"content.{place}.type", _HELP + "message.content.type")
        if not isinstance(value, str) or not value:
            message = "The content value must be a string at least one character in length."
            yield Refusal(message, f"content.{place}.value", _HELP + "message.content.value")
    if "text/plain" in kinds[1:] or "text/html" in kinds[2:]:
        message = "If present, text/plain and text/html must be the first two content blocks, in that order."
        yield Refusal(message, "content", _HELP + "message.content.type")


def _of_attachments(mail: dict[str, Any]) -> Iterator[Refusal]:
    attachments = mail.get("attachments") or []
    if not isinstance(attachments, list):
        yield Refusal("Invalid type. Expected: array.", "attachments", _HELP + "message.attachments")
        return
    for place, attachment in enumerate(attachments):
        content = attachment.get("content") if isinstance(attachment, dict) else None
        try:
            decoded = base64.b64decode(content, validate=True) if isinstance(content, str) else b""
        except binascii.Error:
            decoded = b""
        if not decoded:
            message = "The attachment content must be base64 encoded."
            yield Refusal(message, f"attachments.{place}.content", _HELP + "message.attachments.content")


def _of_headers(headers: object, field: str) -> Iterator[Refusal]:
    if headers is None:
        return
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        yield Refusal("All values of the headers object must be strings.", field, _HELP + "message.headers")
        return
    for name, value in headers.items():
        if not re.fullmatch(r"[\x21-\x39\x3b-\x7e]+", name) or re.search(r"[\r\n]", value):
            message = "Header keys cannot contain non-ASCII characters or empty spaces."
            yield Refusal(message, f"{field}.{name}", _HELP + "message.headers")
        elif name.lower() in _RESERVED_HEADERS:
            yield Refusal("Header cannot be one of the reserved keys.", f"{field}.{name}", _HELP + "message.headers")


def _of_custom_args(arguments: object, field: str) -> Iterator[Refusal]:
    if arguments is None:
        return
    if not isinstance(arguments, dict) or not all(isinstance(value, str) for value in arguments.values()):
        yield Refusal("All values of custom arguments object must be strings", field, _HELP + "message.custom_args")
    elif sum(len(f"{name}{value}".encode()) for name, value in arguments.items()) > _CUSTOM_ARGS_BYTES_MAX:
        message = (
            "The combined size of both global and personalization custom arguments may not exceed 10,000 bytes "
            "per personalization."
        )
        yield Refusal(message, field, _HELP + "message.custom_args")


def _merged(mail: dict[str, Any], entry: dict[str, Any], name: str) -> object:
    # The part outside is judged on its own; here only what one personalization adds to it.
    outer, inner = mail.get(name), entry.get(name)
    if isinstance(outer, dict) and isinstance(inner, dict):
        return outer | inner
    return inner


def _of_categories(categories: object) -> Iterator[Refusal]:
    if categories is None:
        return
    if not isinstance(categories, list) or not all(isinstance(category, str) for category in categories):
        yield Refusal("The category must be an array of strings.", "categories", _HELP + "message.categories")
    elif len(categories) > _CATEGORIES_MAX:
        yield Refusal("You can only have 10 categories per message.", "categories", _HELP + "message.categories")


def _of_send_at(send_at: object, field: str) -> Iterator[Refusal]:
    if send_at is None:
        return
    if not isinstance(send_at, int) or isinstance(send_at, bool):
        message = "The send_at parameter is expecting a Unix timestamp as an integer."
        yield Refusal(message, field, _HELP + "message.send_at")
    elif send_at > time.time() + _SCHEDULED_S_MAX:
        message = "Scheduling more than 72 hours in advance is forbidden."
        yield Refusal(message, field, _HELP + "message.send_at")
