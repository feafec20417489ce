"""Addresses signed for CloudFront: with the first key of several, over exactly what was meant."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from compose.envfile import signing_key
from compose.settings import ConfigurationError, parse_signing_keys
from edge_api.cdn import Cdn
from tests.edge_api.doorway import CDN, rsa_key, settings

pytestmark = pytest.mark.quick

OTHER = signing_key()
UNTIL = 1_800_000_000


def cdn(*keys: str) -> Cdn:
    return Cdn(settings(cdn_signing_keys=",".join(keys)))


def said(address: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}


def read(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "=").replace("~", "/"))


def verify(key: str, address: str, policy: bytes) -> None:
    private: Any = load_der_private_key(parse_signing_keys(f"K:{key}")["K"], password=None)
    private.public_key().verify(read(said(address)["Signature"]), policy, PKCS1v15(), SHA1())


def canned(address: str) -> bytes:
    condition = {"DateLessThan": {"AWS:EpochTime": UNTIL}}
    statement = {"Resource": address, "Condition": condition}
    return json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()


def test_the_first_key_signs_and_says_so() -> None:
    before, after = cdn(f"K1:{rsa_key()}"), cdn(f"K2:{OTHER}", f"K1:{rsa_key()}")

    old, new = (one.signed("/play/1/auto/master.m3u8?until=5", UNTIL) for one in (before, after))

    assert (said(old)["Key-Pair-Id"], said(new)["Key-Pair-Id"]) == ("K1", "K2")
    verify(rsa_key(), old, canned(f"{CDN}/play/1/auto/master.m3u8?until=5"))
    verify(OTHER, new, canned(f"{CDN}/play/1/auto/master.m3u8?until=5"))
    with pytest.raises(InvalidSignature):
        verify(OTHER, new, canned(f"{CDN}/play/1/auto/master.m3u8?until=6"))


def test_one_signature_serves_a_folder_and_ends_with_it() -> None:
    address = cdn(f"K1:{rsa_key()}").signed_below("/videos/1", UNTIL)

    first, second = address("a.m4s"), address("b.m4s")

    assert (first.partition("?")[0], second.partition("?")[0]) == (f"{CDN}/videos/1/a.m4s", f"{CDN}/videos/1/b.m4s")
    assert said(first) == said(second)
    policy = read(said(first)["Policy"])
    verify(rsa_key(), first, policy)
    assert json.loads(policy)["Statement"] == [
        {"Resource": f"{CDN}/videos/1/*", "Condition": {"DateLessThan": {"AWS:EpochTime": UNTIL}}}
    ]


def test_what_is_no_rsa_key_is_told_before_anything_is_signed() -> None:
    elliptic = generate_private_key(SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    text = base64.urlsafe_b64encode(elliptic).decode()

    with pytest.raises(ConfigurationError, match="K1 is no RSA key"):
        cdn(f"K1:{text}")
    with pytest.raises(ConfigurationError, match="K1 is no private key"):
        cdn("K1:AAAA")
