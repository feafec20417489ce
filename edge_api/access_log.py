"""One JSON line per request. Written past the process's other logging, which would cost as much as the rest of the edge."""

import sys
from datetime import UTC, datetime

import msgspec

from edge_api.visit import Visit

_encode = msgspec.json.Encoder().encode


def write(visit: Visit, route: str, seconds: float) -> None:
    """Who asked what, and what came of it: no body, no query, no token, no path but its template."""
    line = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "info",
        "process": "edge",
        "logger": "access",
        "event": "request",
        "method": visit.method,
        "route": route,
        "status": visit.status,
        "ms": round(seconds * 1000, 1),
        "request_id": visit.request_id,
        "trace_id": visit.traceparent[3:35],
        "address": visit.address,
        "user": None if visit.caller is None else visit.caller.user_id,
    }
    sys.stdout.buffer.write(_encode(line) + b"\n")
    sys.stdout.buffer.flush()
