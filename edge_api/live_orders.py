"""What an event of an order means to its two sides who are here: `order_updated`, on which a client reads the order anew."""

from collections.abc import Container, Iterator
from typing import Final

import msgspec

from edge_api.live_frames import Event, message
from edge_api.order_sides import OF_NOBODY, OF_THE_BUYER, OF_THE_SELLER

SIDES: Final = {"buyer": ("buyerId", OF_THE_SELLER), "seller": ("sellerId", OF_THE_BUYER)}
"""Side -> where it is named, and what it does not hear of."""


def updates_of(event: Event, present: Container[str]) -> Iterator[tuple[str, bytes]]:
    """(user, frame) for each side of an order that is here and whose business it is."""
    if event.event_type in OF_NOBODY or "orderId" not in event.data:
        return
    for side, (name, hidden) in SIDES.items():
        person = event.person(name)
        if person is not None and person in present and event.event_type not in hidden:
            yield person, _frame(event, side)


def _frame(event: Event, side: str) -> bytes:
    order, auction = (str(msgspec.json.decode(event.text(name))) for name in ("orderId", "auctionId"))
    return message(
        "order_updated",
        auction,
        orderId=order,
        auctionId=auction,
        role=side,
        happened=event.event_type,
        seq=event.sequence,
    )
