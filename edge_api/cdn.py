"""Signed addresses of the CDN: CloudFront's canned policy for one address, its custom policy for all below a folder."""

from collections.abc import Callable
from datetime import UTC, datetime

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_der_private_key

from compose.settings import ConfigurationError, Settings


class Cdn:
    """Signs with the first of the keys; the CDN takes all of them, so that a key can be replaced while films play."""

    def __init__(self, settings: Settings) -> None:
        """Read the key; raises ConfigurationError when it is none of RSA."""
        key_id, der = next(iter(settings.keys_of_cdn.items()))
        try:
            key = load_der_private_key(der, password=None)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"CDN_SIGNING_KEYS: {key_id} is no private key in DER.") from error
        if not isinstance(key, RSAPrivateKey):
            raise ConfigurationError(f"CDN_SIGNING_KEYS: {key_id} is no RSA key.")
        self._base = str(settings.cdn_url).rstrip("/")
        self._signer = CloudFrontSigner(key_id, _with(key))

    def address(self, path: str) -> str:
        """The address of what is served to everybody (pictures)."""
        return self._base + path

    def signed(self, path: str, until_s: int) -> str:
        """The address of one path, its query included, good until `until_s` (Unix)."""
        found: str = self._signer.generate_presigned_url(self._base + path, date_less_than=_time(until_s))
        return found

    def signed_below(self, folder: str, until_s: int) -> Callable[[str], str]:
        """Gives the address of any path below `folder`, good until `until_s` (Unix), for one signature (0.4 ms) in all."""
        within = f"{self._base}{folder}/"
        policy = self._signer.build_policy(within + "*", _time(until_s))
        query: str = self._signer.generate_presigned_url(within, policy=policy).partition("?")[2]
        return lambda name: f"{within}{name}?{query}"


def _with(key: RSAPrivateKey) -> Callable[[bytes], bytes]:
    # CloudFront verifies SHA-1; what is signed are our own texts, good for minutes.
    return lambda text: key.sign(text, PKCS1v15(), SHA1())  # noqa: S303


def _time(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
