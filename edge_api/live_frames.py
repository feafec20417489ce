"""What the public sees of an auction's events: people become pseudonyms, private events nothing (rules B13, E11)."""

from collections.abc import Callable, Container, Iterator
from typing import Any, NamedTuple

import msgspec

from schemas.envelope import parse_time

NULL = b"null"

AliasOf = Callable[[str], str]
"""A person's id -> the name under which this auction shows the person."""


class Event(msgspec.Struct, rename="camel"):
    """An event of `auction-events`; values stay the JSON text in which they came, so that amounts stay exact."""

    event_type: str
    sequence: int
    timestamp: str
    data: dict[str, msgspec.Raw]
    previous_public_sequence: int | None = None

    def text(self, name: str) -> bytes:
        """The JSON text of a field, `null` when it is absent."""
        raw = self.data.get(name)
        return NULL if raw is None else bytes(raw)

    def person(self, name: str) -> str | None:
        """The id in a field, if there is one."""
        text = self.text(name)
        return None if text == NULL else text[1:-1].decode()


read_event = msgspec.json.Decoder(Event).decode
"""Decode an event's envelope; raises msgspec.MsgspecError when it is none."""


class Shown(NamedTuple):
    """How one type of event is shown: the frame's name, and every field that may leave the house."""

    event: str
    fields: tuple[str, ...]
    people: tuple[str, ...] = ()
    """Fields that name a bidder; they leave as pseudonyms."""


_LISTING = (
    *("title", "description", "tags", "category", "videoId", "shippingInfo", "sellerId", "startingPrice"),
    *("startTime", "endTime", "hasReserve", "buyNowPrice"),
)
_BID = (
    *("bidId", "amount", "isWinning", "automatic", "previousAmount", "placedAt"),
    *("minimumNextBid", "bidCount", "reserveMet", "message"),
)

SHOWN = {
    "AuctionCreated": Shown("auction_created", (*_LISTING, "currency", "closing")),
    "AuctionUpdated": Shown("auction_updated", _LISTING),
    "BidPlaced": Shown("bid_placed", _BID, ("bidderId",)),
    "AuctionExtended": Shown("auction_extended", ("endTime", "extensions")),
    "BidRetracted": Shown("bid_retracted", ("by", "reason", "bids", "bidIds", "sinceSequence"), ("bidderId",)),
    "PriceRecomputed": Shown("price_recomputed", ("price", "bidCount", "minimumNextBid", "reserveMet"), ("leaderId",)),
    "ReserveLowered": Shown("reserve_lowered", ("hasReserve", "reserveMet")),
    "AuctionCancelled": Shown("auction_cancelled", ("by", "reason")),
    "AuctionEnded": Shown(
        "auction_ended",
        ("sellerId", "finalPrice", "totalBids", "endedAt", "outcome", "currency"),
        ("winnerId",),
    ),
}
"""An event that is not here is never shown: a new type stays private until somebody decides otherwise."""


def is_shown(event: Event) -> bool:
    """Whether everyone may see it; a draft is its seller's alone."""
    return event.event_type in SHOWN and event.text("draft") != b"true"


def frame_of(event: Event, auction_id: str, alias_of: AliasOf) -> bytes:
    """The frame that tells subscribers of a shown event, ready for the wire."""
    shown = SHOWN[event.event_type]
    data = [b'"%b":%b' % (name.encode(), event.data[name]) for name in shown.fields if name in event.data]
    data += [
        b'"%b":%b' % (name.encode(), alias_text(event.person(name), alias_of))
        for name in shown.people
        if name in event.data
    ]
    return wire(
        b'{"event":"%b","auctionId":"%b","seq":%d,"prevSeq":%d,"data":{%b}}'
        % (
            shown.event.encode(),
            auction_id.encode(),
            event.sequence,
            event.previous_public_sequence or 0,
            b",".join(data),
        )
    )


def alias_text(person: str | None, alias_of: AliasOf) -> bytes:
    """The JSON text of a person's pseudonym, `null` for nobody."""
    return NULL if person is None else b'"%b"' % alias_of(person).encode()


def notes_of(event: Event, auction_id: str, present: Container[str]) -> Iterator[tuple[str, bytes]]:
    """What an event means to a person who is here: (user, frame) for `outbid`, `winning` and `won`."""
    match event.event_type:
        case "BidPlaced":
            outbid = event.person("outbidBidderId")
            if outbid in present:
                yield (
                    str(outbid),
                    _note(
                        auction_id, "outbid", amount=event.text("amount"), minimumNextBid=event.text("minimumNextBid")
                    ),
                )
            bidder = event.person("bidderId")
            # An automatic winning bid defends the lead: its bidder was winning before.
            if bidder in present and event.text("isWinning") == b"true" and event.text("automatic") != b"true":
                yield str(bidder), _note(auction_id, "winning", amount=event.text("amount"))
        case "PriceRecomputed":
            leader = event.person("leaderId")
            if leader in present:
                yield str(leader), _note(auction_id, "winning", amount=event.text("price"))
        case "AuctionEnded":
            winner = event.person("winnerId")
            if winner in present:
                yield str(winner), _note(auction_id, "won", finalPrice=event.text("finalPrice"))


def _note(auction_id: str, name: str, **fields: bytes) -> bytes:
    data = b"".join(b',"%b":%b' % (key.encode(), value) for key, value in fields.items())
    who = auction_id.encode()
    return wire(b'{"event":"%b","auctionId":"%b","data":{"auctionId":"%b"%b}}' % (name.encode(), who, who, data))


class Standing:
    """An auction as its public events leave it: every value is the JSON text that a snapshot shows."""

    __slots__ = ("_common", "auction_id", "seq", "shown", "starts_ms")

    def __init__(self, auction_id: str, seq: int, shown: dict[str, bytes]) -> None:
        self.auction_id = auction_id
        self.seq = seq
        self.shown = shown
        self.starts_ms = _time_ms(shown["startTime"])
        self._common = b""
        self._tidy()

    @property
    def is_over(self) -> bool:
        """Whether no bid can follow."""
        return self.shown["status"] in (b'"ended"', b'"cancelled"')

    def evolve(self, event: Event, alias_of: AliasOf) -> None:
        """Take in the next public event (rules S1-S3, N2)."""
        shown = self.shown
        match event.event_type:
            case "AuctionCreated" | "AuctionUpdated":
                shown.update((name, event.text(name)) for name in _LISTING if name in shown and name in event.data)
                shown["minimumNextBid"] = event.text("startingPrice")
                shown["reserveMet"] = b"false" if event.text("hasReserve") == b"true" else NULL
                self.starts_ms = _time_ms(shown["startTime"])
            case "BidPlaced":
                if event.text("isWinning") == b"true":
                    shown["currentBid"] = event.text("amount")
                    shown["leaderAlias"] = alias_text(event.person("bidderId"), alias_of)
                self._take(event, "minimumNextBid", "bidCount", "reserveMet")
                if event.text("reserveMet") != b"false":
                    shown["buyNowPrice"] = NULL
            case "PriceRecomputed":
                shown["currentBid"] = event.text("price")
                shown["leaderAlias"] = alias_text(event.person("leaderId"), alias_of)
                self._take(event, "minimumNextBid", "bidCount", "reserveMet")
            case "AuctionExtended":
                self._take(event, "endTime")
            case "ReserveLowered":
                self._take(event, "hasReserve", "reserveMet")
            case "AuctionCancelled":
                shown["status"] = b'"cancelled"'
            case "AuctionEnded":
                self._end(event, alias_of)
        self._tidy()
        self.seq = event.sequence
        self._common = b""

    def _tidy(self) -> None:
        if self.is_over:
            self.shown["minimumNextBid"] = self.shown["buyNowPrice"] = NULL

    def _take(self, event: Event, *names: str) -> None:
        self.shown.update((name, event.text(name)) for name in names)

    def _end(self, event: Event, alias_of: AliasOf) -> None:
        shown = self.shown
        winner = alias_text(event.person("winnerId"), alias_of)
        self._take(event, "outcome", "finalPrice")
        shown["status"] = b'"cancelled"' if shown["outcome"] == b'"cancelled"' else b'"ended"'
        shown["winnerAlias"] = winner
        shown["bidCount"] = event.text("totalBids")
        if shown["outcome"] == b'"sold_buy_now"':
            shown["currentBid"], shown["leaderAlias"] = event.text("finalPrice"), winner
            if shown["hasReserve"] == b"true":
                shown["reserveMet"] = b"true"  # A Buy It Now price is never below the reserve (N1).

    def snapshot(self, *, now_ms: int, now: str, your_alias: str | None) -> bytes:
        """The frame with which a subscription begins; `now` is the server's time, in both forms."""
        if self.shown["status"] == b'"scheduled"' and self.starts_ms is not None and self.starts_ms <= now_ms:
            self.shown["status"] = b'"live"'
            self._common = b""
        if not self._common:
            # Ten thousand people who come at once get the same bytes up to here.
            self._common = b'{"event":"snapshot","auctionId":"%b","seq":%d,"data":{%b' % (
                self.auction_id.encode(),
                self.seq,
                b",".join(b'"%b":%b' % (name.encode(), text) for name, text in self.shown.items()),
            )
        you = NULL if your_alias is None else b'"%b"' % your_alias.encode()
        return wire(b'%b,"serverTime":"%b","yourBidderId":%b}}' % (self._common, now.encode(), you))


def _time_ms(text: bytes) -> int | None:
    return None if text == NULL else parse_time(text[1:-1].decode())


def error(code: str, detail: str, **fields: Any) -> bytes:
    """An error frame, ready for the wire."""
    return wire(msgspec.json.encode({"event": "error", "code": code, "detail": detail, **fields}))


def message(event: str, auction_id: str | None = None, **data: Any) -> bytes:
    """A frame that answers a client's own request, ready for the wire."""
    about = {} if auction_id is None else {"auctionId": auction_id}
    return wire(msgspec.json.encode({"event": event, **about, "data": data}))


def wire(text: bytes) -> bytes:
    """A whole unmasked WebSocket text message (RFC 6455, 5.2): the same bytes go to every socket."""
    size = len(text)
    if size < 126:
        return b"\x81%c%b" % (size, text)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), text)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), text)
