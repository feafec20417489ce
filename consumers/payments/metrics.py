"""How many payments were begun and how many succeeded (specification, Business Metrics)."""

from collections.abc import Sequence

import msgspec
from prometheus_client import Counter

from consumers.runtime import LogRow

PAYMENTS = Counter("payments", "Payments that buyers began.")
SUCCESSFUL = Counter("payments_successful", "Payments that were captured.")


class _Event(msgspec.Struct, rename="camel"):
    event_type: str


_event = msgspec.json.Decoder(_Event).decode


async def count(rows: Sequence[LogRow]) -> None:
    """Count what committed rows tell; a takeover may count the untold ones of its predecessor again."""
    for row in rows:
        for value in row.events:
            match _event(value).event_type:
                case "PaymentStarted":
                    PAYMENTS.inc()
                case "OrderPaid":
                    SUCCESSFUL.inc()
