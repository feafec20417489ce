"""Events as bids tells them, watchers that keep what they are told, and an auction to watch."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from edge_api.live_frames import Event, Standing, read_event
from edge_api.live_room import Room
from producers.publish import event

LAMP = "0192f3a0-0000-7000-8000-000000000001"
MINA = "11111111-1111-4111-8111-111111111111"
ANNA = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
BEN = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
SECRET = b"k" * 32
NOON = "2026-05-01T12:00:00.000Z"
EVENING = "2026-05-01T20:00:00.000Z"


def told(kind: str, seq: int, previous: int, data: str) -> Event:
    """An event of the lamp's auction; `data` is JSON text, so that amounts stand as bids writes them."""
    return read_event(
        event(
            kind, aggregate=UUID(LAMP), sequence=seq, at=NOON, data=data.encode(), previous_public_sequence=previous
        ).value
    )


def bid(
    seq: int, previous: int, bidder: str, amount: str, *, winning: bool = True, automatic: bool = False, **more: Any
) -> Event:
    """A bid of the lamp's auction; `amount` as it stands on the wire."""
    fields = {
        "auctionId": LAMP,
        "bidId": f"0192f3a0-0000-7000-9000-{seq:012d}",
        "bidderId": bidder,
        "isWinning": winning,
        "automatic": automatic,
        "placedAt": NOON,
        "bidCount": seq,
        "reserveMet": None,
        **more,
    }
    amounts = f'"amount":{amount},"previousAmount":null,"minimumNextBid":999.99'
    return told("BidPlaced", seq, previous, "{" + amounts + "," + json.dumps(fields)[1:])


def standing(seq: int = 1, **shown: bytes) -> Standing:
    """The lamp's auction after its creation, live from noon on."""
    fresh = {
        "title": b'"A lamp"',
        "status": b'"live"',
        "currentBid": b"null",
        "leaderAlias": b"null",
        "minimumNextBid": b"100.00",
        "bidCount": b"0",
        "endTime": f'"{EVENING}"'.encode(),
        "startTime": f'"{NOON}"'.encode(),
        "currency": b'"USD"',
        "startingPrice": b"100.00",
        "hasReserve": b"false",
        "reserveMet": b"null",
        "buyNowPrice": b"500.00",
        "outcome": b"null",
        "winnerAlias": b"null",
        "finalPrice": b"null",
        "sellerId": f'"{MINA}"'.encode(),
    }
    return Standing(LAMP, seq, fresh | shown)


def room(*events: Event, at: int = 1) -> Room:
    """A room that stood at sequence `at` when it was read, and heard these events since."""
    opened = Room(LAMP, SECRET)
    opened.settle(standing(at))
    for one in events:
        assert opened.hear(one)
    return opened


class Watcher:
    """Keeps every frame it is told."""

    def __init__(self, person: str | None = None) -> None:
        self.person = person
        self.writes: list[bytes] = []
        self.wire = self.writes.append

    def write(self, frames: bytes) -> None:
        self.writes.append(frames)

    def alias_in(self, at: Room) -> str | None:
        return None if self.person is None else at.alias_of(self.person)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return unwire(self.writes)

    @property
    def sequences(self) -> list[int]:
        return [frame["seq"] for frame in self.frames if "seq" in frame]


def unwire(writes: Sequence[bytes]) -> list[dict[str, Any]]:
    """The JSON of whole unmasked WebSocket text frames, one after the other (RFC 6455, 5.2)."""
    rest = b"".join(writes)
    found = []
    while rest:
        kind, size, start = rest[0], rest[1], 2
        if size == 126:
            size, start = int.from_bytes(rest[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(rest[2:10], "big"), 10
        if kind == 0x81:
            found.append(json.loads(rest[start : start + size]))
        rest = rest[start + size :]
    return found
