"""Webhooks that are not Stripe's, in every form that we could think of: each is refused over HTTP, and nothing reaches a topic."""

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import pytest

from tests.edge_api.doorway import NEXT_WEBHOOK_SECRET, WEBHOOK_SECRET, Doorway

pytestmark = pytest.mark.quick

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 1_772_391_871,
    "livemode": False,
    "data": {"object": {"id": "pi_1", "object": "payment_intent", "amount": 15_000, "metadata": {}}},
}
BODY = json.dumps(EVENT, indent=2).encode()
NOW = 1_772_391_871
RIGHT = hmac.new(WEBHOOK_SECRET.encode(), f"{NOW}.".encode() + BODY, hashlib.sha256).hexdigest()


def mac(signed: bytes, *, secret: str = WEBHOOK_SECRET, algorithm: str = "sha256") -> str:
    """A signature in hexadecimal digits."""
    return hmac.new(secret.encode(), signed, algorithm).hexdigest()


def signed(at: object = NOW, *, body: bytes = BODY, secret: str = WEBHOOK_SECRET, between: bytes = b".") -> str:
    """A header as Stripe makes it."""
    return f"t={at},v1={mac(str(at).encode() + between + body, secret=secret)}"


# The right body under another header.
HEADERS: dict[str, str] = {
    "nothing": "",
    "a space": " ",
    "commas": ",,,,",
    "the word null": "null",
    "a JSON object": json.dumps({"t": NOW, "v1": RIGHT}),
    "only the signature": RIGHT,
    "only v1": f"v1={RIGHT}",
    "only the time": f"t={NOW}",
    "an empty v1": f"t={NOW},v1=",
    "an empty time": f"t=,v1={RIGHT}",
    "zeros": f"t={NOW},v1={'0' * 64}",
    "one digit changed": f"t={NOW},v1={RIGHT[:-1]}{(int(RIGHT[-1], 16) ^ 1):x}",
    "the first digit changed": f"t={NOW},v1={(int(RIGHT[0], 16) ^ 8):x}{RIGHT[1:]}",
    "one digit short": f"t={NOW},v1={RIGHT[:-1]}",
    "one digit more": f"t={NOW},v1={RIGHT}0",
    "half": f"t={NOW},v1={RIGHT[:32]}",
    "twice in a row": f"t={NOW},v1={RIGHT}{RIGHT}",
    "in capitals": f"t={NOW},v1={RIGHT.upper()}",
    "with 0x": f"t={NOW},v1=0x{RIGHT}",
    "in quotes": f't={NOW},v1="{RIGHT}"',
    "in base64": f"t={NOW},v1={base64.b64encode(bytes.fromhex(RIGHT)).decode()}",
    "percent encoded": f"t={NOW},v1=%{RIGHT}",
    "under v0": f"t={NOW},v0={RIGHT}",
    "under v2": f"t={NOW},v2={RIGHT}",
    "under V1": f"t={NOW},V1={RIGHT}",
    "under v1 with a space": f"t={NOW},v1 ={RIGHT}",
    "under the name of a test": f"t={NOW},test={RIGHT}",
    "separated by semicolons": f"t={NOW};v1={RIGHT}",
    "separated by nothing": f"t={NOW}v1={RIGHT}",
    "with colons": f"t:{NOW},v1:{RIGHT}",
    "two times, the wrong one last": f"t={NOW},t={NOW - 1},v1={RIGHT}",
    "two times, the wrong one first": f"t={NOW - 1},t={NOW},v1={RIGHT}",
    "the time a second later": f"t={NOW + 1},v1={RIGHT}",
    "the time a second earlier": f"t={NOW - 1},v1={RIGHT}",
    "the time with a sign": f"t=+{NOW},v1={RIGHT}",
    "the time below zero": f"t=-{NOW},v1={RIGHT}",
    "the time with zeros": f"t=00{NOW},v1={RIGHT}",
    "the time as a float": f"t={NOW}.0,v1={RIGHT}",
    "the time with an exponent": f"t={NOW}e0,v1={RIGHT}",
    "the time in hexadecimal": f"t={NOW:#x},v1={RIGHT}",
    "the time as a date": f"t=2026-03-01T12:00:00Z,v1={RIGHT}",
    "no time": f"t=never,v1={RIGHT}",
    "a time without end": f"t={'9' * 400},v1={RIGHT}",
    "a hundred guesses": f"t={NOW}," + ",".join(f"v1={guess:064x}" for guess in range(100)),
    "a header without end": f"t={NOW},v1={RIGHT}," + "v0=0," * 2_000,
    "signed by nobody": signed(secret=""),
    "signed with the word secret": signed(secret="secret"),
    "signed with the start of the secret": signed(secret=WEBHOOK_SECRET[:-1]),
    "signed without the secret's prefix": signed(secret=WEBHOOK_SECRET.removeprefix("whsec_")),
    "signed with the secret and a line break": signed(secret=WEBHOOK_SECRET + "\n"),
    "signed with the secret in capitals": signed(secret=WEBHOOK_SECRET.upper()),
    "signed with both secrets as one": signed(secret=f"{WEBHOOK_SECRET},{NEXT_WEBHOOK_SECRET}"),
    "signed with the secret hashed": signed(secret=hashlib.sha256(WEBHOOK_SECRET.encode()).hexdigest()),
    "the body alone signed": f"t={NOW},v1={mac(BODY)}",
    "the time alone signed": f"t={NOW},v1={mac(str(NOW).encode())}",
    "body and time the other way round": f"t={NOW},v1={mac(BODY + b'.' + str(NOW).encode())}",
    "signed without the dot": signed(between=b""),
    "signed with a colon": signed(between=b":"),
    "signed with a line break": signed(between=b"\n"),
    "another event signed": signed(body=b"{}"),
    "nothing signed": signed(body=b""),
    "signed with SHA-1": f"t={NOW},v1={mac(f'{NOW}.'.encode() + BODY, algorithm='sha1')}",
    "signed with SHA-512": f"t={NOW},v1={mac(f'{NOW}.'.encode() + BODY, algorithm='sha512')}",
    "signed with SHA-512, cut": f"t={NOW},v1={mac(f'{NOW}.'.encode() + BODY, algorithm='sha512')[:64]}",
    "signed with MD5": f"t={NOW},v1={mac(f'{NOW}.'.encode() + BODY, algorithm='md5')}",
    "only hashed": f"t={NOW},v1={hashlib.sha256(f'{NOW}.'.encode() + BODY).hexdigest()}",
    "hashed with the secret before it": f"t={NOW},v1={hashlib.sha256(f'{WEBHOOK_SECRET}{NOW}.'.encode() + BODY).hexdigest()}",
    "an hour old": signed(NOW - 3_600),
    "just too old": signed(NOW - 400),
    "of tomorrow": signed(NOW + 86_400),
    "of 1970": signed(0),
}

# Another body under the right header.
BODIES: dict[str, Callable[[], bytes]] = {
    "another amount": lambda: BODY.replace(b"15000", b"15001"),
    "another event": lambda: BODY.replace(b"evt_1", b"evt_2"),
    "a space more": lambda: BODY + b" ",
    "a line break more": lambda: BODY + b"\n",
    "a byte less": lambda: BODY[:-1],
    "nothing": lambda: b"",
    "written without spaces": lambda: json.dumps(EVENT, separators=(",", ":")).encode(),
    "names in another order": lambda: json.dumps(EVENT, indent=2, sort_keys=True).encode(),
    "line breaks of Windows": lambda: BODY.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda: b"\xef\xbb\xbf" + BODY,
    "in UTF-16": lambda: BODY.decode().encode("utf-16"),
    "escaped": lambda: BODY.replace(b"evt_1", b"\\u0065vt_1"),
    "a name twice": lambda: BODY.replace(b'"id": "evt_1"', b'"id": "evt_1", "id": "evt_2"'),
    "compressed": lambda: gzip.compress(BODY),
    "twice": lambda: BODY * 2,
    "a zero byte": lambda: BODY + b"\x00",
}


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_api.stripe_webhook.time", SimpleNamespace(time=lambda: NOW))


async def send(doorway: Doorway, body: bytes, headers: list[tuple[str, str]]) -> httpx.Response:
    async with doorway.client() as client:
        return await client.post(
            "/payments/webhook", content=body, headers=[("Content-Type", "application/json; charset=utf-8"), *headers]
        )


def is_refused(doorway: Doorway, answer: httpx.Response) -> bool:
    assert doorway.workers.asked == []
    return answer.status_code == 400 and answer.json()["code"] == "invalid_signature"


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
async def test_a_forged_header_is_refused_and_nothing_is_appended(doorway: Doorway, header: str) -> None:
    assert is_refused(doorway, await send(doorway, BODY, [("Stripe-Signature", header)]))


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES.keys())
async def test_a_changed_body_is_refused_and_nothing_is_appended(doorway: Doorway, make: Callable[[], bytes]) -> None:
    assert is_refused(doorway, await send(doorway, make(), [("Stripe-Signature", f"t={NOW},v1={RIGHT}")]))


async def test_a_signature_counts_in_its_own_header_only(doorway: Doorway) -> None:
    header = f"t={NOW},v1={RIGHT}"
    for name in ("Stripe-Signature-V1", "X-Stripe-Signature", "Signature", "Authorization", "Cookie"):
        assert is_refused(doorway, await send(doorway, BODY, [(name, header)]))
    assert is_refused(
        doorway, await send(doorway, BODY, [("Stripe-Signature", signed(secret="x")), ("Stripe-Signature", header)])
    )


async def test_the_unforged_one_is_taken(doorway: Doorway) -> None:
    answer = await send(doorway, BODY, [("Stripe-Signature", f"t={NOW},v1={RIGHT}")])

    assert (answer.status_code, len(doorway.workers.asked)) == (200, 1)


def test_there_are_enough_forms() -> None:
    assert len(HEADERS) + len(BODIES) >= 60
