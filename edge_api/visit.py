"""What the edge knows about one request while it is here."""

import os
import re
import time
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection
from starlette.types import Scope

from edge_api.problems import Problem
from edge_api.tokens import Caller

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


class Visit:
    """One request: who asks, from where, under which ids; `status` is 0 until the answer begins."""

    __slots__ = (
        "address",
        "caller",
        "denied",
        "limit_headers",
        "method",
        "origin",
        "path",
        "request_id",
        "started",
        "status",
        "traceparent",
    )

    def __init__(self, scope: Scope, headers: dict[bytes, bytes], address: str) -> None:
        """Take the ids that the client sent, if they are sane, and make those that are missing."""
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.address = address
        self.origin = headers.get(b"origin")
        self.request_id = _request_id(headers.get(b"x-request-id"))
        self.traceparent = _traceparent(headers.get(b"traceparent"))
        self.caller: Caller | None = None
        self.denied: Problem | None = None
        self.limit_headers: list[tuple[bytes, bytes]] = []
        self.status = 0


def visit_of(request: HTTPConnection) -> Visit:
    """The visit that a request belongs to."""
    visit: Visit = request.scope["visit"]
    return visit


def _request_id(sent: bytes | None) -> str:
    return sent.decode() if sent is not None and _REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()


def _traceparent(sent: bytes | None) -> str:
    """W3C trace context: the caller's trace goes on, else one begins (not sampled)."""
    match = _TRACEPARENT.fullmatch(sent) if sent is not None else None
    span = os.urandom(8).hex()
    if match is None:
        return f"00-{os.urandom(16).hex()}-{span}-00"
    return f"00-{match[1].decode()}-{span}-{match[2].decode()}"


def address_of(scope: Scope, headers: dict[bytes, bytes], trusted: frozenset[str]) -> str:
    """Whose request it is, for limits: the peer, or the last address before our own proxies; IPv6 by its /64."""
    client = scope.get("client")
    address: str = client[0] if client else "unknown"
    if address in trusted:
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        others = [hop.strip() for hop in forwarded if hop.strip() and hop.strip() not in trusted]
        address = others[-1] if others else address
    return _network(address)


@lru_cache(4_096)
def _network(address: str) -> str:
    try:
        known = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return str(IPv6Address(int(known) >> 64 << 64))
    return str(known)
