"""Whether a webhook comes from Stripe: its signature over the raw bytes, as docs.stripe.com/webhooks/signature says.

Not the SDK's verifier: that decodes the body first, takes one secret, and lets a time in the future pass. A test holds both
against each other on what Stripe really sends.
"""

import hmac
import re
from collections.abc import Sequence

HEADER = "Stripe-Signature"
TOLERANCE_S = 300
HEADER_LENGTH_MAX = 2_048
SIGNATURES_MAX = 16

_TIME = re.compile(r"[0-9]{1,12}")
_V1 = re.compile(r"[0-9a-f]{64}")


class BadSignature(Exception):
    """A webhook that is not to be believed; the text says why and repeats nothing that was sent."""


def verify(header: str | None, body: bytes, *, secrets: Sequence[bytes], now_s: float) -> int:
    """When the webhook was signed, seconds since 1970; raises BadSignature.

    Any `v1` of the header may fit any of the secrets: Stripe signs with the old and the new one while a secret is rolled.
    """
    signed_at, signatures = _read(header)
    signed = b"%d.%b" % (signed_at, body)
    fits = False
    for secret in secrets:
        expected = hmac.digest(secret, signed, "sha256").hex()
        for signature in signatures:
            # Every pair is looked at: how long it takes says nothing about which one fits.
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise BadSignature("no signature fits the body")
    if abs(now_s - signed_at) > TOLERANCE_S:
        raise BadSignature("signed too long ago, or in the future")
    return signed_at


def _read(header: str | None) -> tuple[int, list[str]]:
    if not header:
        raise BadSignature(f"{HEADER} is missing")
    if len(header) > HEADER_LENGTH_MAX:
        raise BadSignature(f"{HEADER} is too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or _TIME.fullmatch(times[0]) is None or str(int(times[0])) != times[0]:
        raise BadSignature(f"{HEADER} does not say one time")
    signatures = [value for name, _, value in pairs if name == "v1"]
    if not signatures or len(signatures) > SIGNATURES_MAX:
        raise BadSignature(f"{HEADER} holds no v1 signature, or too many")
    if any(_V1.fullmatch(signature) is None for signature in signatures):
        raise BadSignature("a v1 signature is not 64 hexadecimal digits")
    return int(times[0]), signatures


def sign(body: bytes, *, secret: bytes, at_s: int) -> str:
    """The header that Stripe would send; for stand-ins, benchmarks and tests."""
    return f"t={at_s},v1={hmac.digest(secret, b'%d.%b' % (at_s, body), 'sha256').hex()}"
