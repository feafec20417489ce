"""Whether a request bears the signature of our credentials (AWS Signature Version 4)."""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SERVICE, REGION = "cloudfront", "us-east-1"
_SKEW_S_MAX = 300
_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


def refusal(
    method: str, url: str, headers: Mapping[str, str], body: bytes, *, access_key: str, secret_key: str
) -> str | None:
    """Why the request is not ours, as the code of CloudFront's error; None when it is."""
    said = _HEADER.fullmatch(headers.get("authorization", ""))
    at = headers.get("x-amz-date", "")
    if said is None or not _is_now(at):
        return "MissingAuthenticationToken" if said is None else "RequestExpired"
    key, day, region, service, signed, signature = said.groups()
    if key != access_key:
        return "InvalidClientTokenId"
    if (region, service) != (REGION, SERVICE) or not at.startswith(day) or "host" not in signed.split(";"):
        return "SignatureDoesNotMatch"
    right = _signature(method, url, {name: headers.get(name, "") for name in signed.split(";")}, body, at, secret_key)
    return None if hmac.compare_digest(right, signature) else "SignatureDoesNotMatch"


def _is_now(at: str) -> bool:
    try:
        sent = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs((datetime.now(UTC) - sent).total_seconds()) <= _SKEW_S_MAX


def _signature(method: str, url: str, headers: Mapping[str, str], body: bytes, at: str, secret_key: str) -> str:
    address, _, query = url.partition("?")
    request = AWSRequest(method, address, dict(headers), body, params=dict(parse_qsl(query, keep_blank_values=True)))
    request.context["timestamp"] = at
    auth = SigV4Auth(Credentials("", secret_key), SERVICE, REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    found: str = auth.signature(text, request)
    return found
