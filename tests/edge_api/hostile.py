"""Every field of every write, and what must not get through it. Values are JSON texts, for some of them are no JSON."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from edge_api.examples import EXAMPLES
from tests.edge_api.doorway import ANNA, AUCTION

DECEIVING = ("\x00", "\x07", "\x1b[31m", "\x7f", "\u0085", "\u202e", "\u2066", "\u200b", "\ufeff", "\ue000")


def text(value: str) -> str:
    return json.dumps(value)


NO_TEXT = ("1", "1.5", "true", "[]", "{}", "NaN", '["x"]', r'"\ud800"')
NO_NUMBER = ('"5"', "true", "[]", "{}", "NaN", "Infinity", "-Infinity", "+1", "01", "1.", ".5", "0x10", "1_000")


class Kind(NamedTuple):
    """What a field takes: the values that it must not."""

    bad: tuple[str, ...]
    required: bool = False

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.bad, "null") if self.required else self.bad


def line(most: int, *, required: bool = False) -> Kind:
    bad = (*NO_TEXT, text("x" * (most + 1)), *(text(f"a{sign}b") for sign in (*DECEIVING, "\n", "\t")))
    return Kind((*bad, '""', '"   "') if required else bad, required)


def prose(most: int, *, required: bool = False) -> Kind:
    bad = (*NO_TEXT, text("x" * (most + 1)), *(text(f"a{sign}b") for sign in DECEIVING))
    return Kind((*bad, '""') if required else bad, required)


def secret(most: int, *, required: bool = True) -> Kind:
    return Kind((*NO_TEXT, '""', text("x" * (most + 1))), required)


def whole(least: int, most: int, *, required: bool = False) -> Kind:
    bad = (*NO_NUMBER, "1.5", "60.0", "1e2", str(least - 1), str(most + 1), "9" * 30, "-1", "1E400")
    return Kind(bad, required)


def listed(item: Kind, most: int) -> Kind:
    return Kind(('"x"', "1", "true", "{}", f"[{','.join(['1'] * (most + 1))}]", *(f"[{bad}]" for bad in item.bad)))


def needed(kind: Kind) -> Kind:
    return kind._replace(required=True)


AMOUNT = Kind((*NO_NUMBER, "1e2", "1E400", "1.005", "0.001", "-1", "-0.01", "100000000", "9" * 30, "1" * 5_000))
CURRENCY = Kind((*NO_TEXT, '"usd"', '"US"', '"DOLLARS"', '"US$"', r'"US\u0000"', '""'))
FLAG = Kind(('"yes"', '"true"', "1", "0", "1.0", "[]", "{}", "NaN", "null"))
UUID = Kind(("1", "1.5", "true", "[]", "{}", '""', '"nobody"', text(f"{ANNA}0"), r'"\u0000"'))
TIME = Kind(
    (
        *("1", "1800000000", "1.8e9", "true", "[]", '""', '"tomorrow"', '"1800000000"', '"2027-01-01"'),
        *('"2027-01-01T00:00:00"', '"2027-13-01T00:00:00Z"', '"2027-01-01T25:00:00Z"'),
    )
)
CHOICE = Kind(("1", "true", "[]", "{}", '""', '"nonsense"', r'"hard\u0000"'))
EMAIL = Kind(
    (
        *NO_TEXT,
        *('""', '"nobody"', '"a@b"', '"a b@example.org"', '"@example.org"', '"a@"', '"a@example.org, b@example.org"'),
        *(text("a\x00@example.org"), text("a@example.org\r\nBcc: b@example.org"), text(f"{'a' * 250}@example.org")),
    ),
    required=True,
)
USERNAME = Kind((*NO_TEXT, '""', '"ab"', text("x" * 31), '"a b"', '"-ab"', '"a\u202eb"', '"mîna"', '"<b>"'))
PASSWORD = Kind((*NO_TEXT, '""', '"short"', '"aaaaaaaaaaaa"', '"password123"', text("x1y2z3" * 40)), required=True)

CLOSING = {
    "mode": CHOICE,
    "window": whole(1, 3_600),
    "extension": whole(1, 3_600),
    "extend": CHOICE,
    "counterBidTime": whole(1, 3_600),
    "maxExtensions": whole(0, 10_000),
    "hardStop": TIME,
}
SHIPPING = {
    "method": line(100),
    "cost": AMOUNT,
    "shipsFrom": line(100),
    "shipsTo": listed(line(100, required=True), 50),
    "handlingDays": whole(0, 60),
}
OBJECT = Kind(('"x"', "1", "true", "[]", '{"nonsense":1}'))


def nested(name: str, fields: dict[str, Kind]) -> dict[str, Kind]:
    return {name: OBJECT, **{f"{name}.{field}": kind for field, kind in fields.items()}}


OFFER = {
    "description": prose(10_000),
    "videoId": UUID,
    "tags": listed(line(40, required=True), 20),
    "category": line(100),
    "reservePrice": AMOUNT,
    "buyNowPrice": AMOUNT,
    **nested("shippingInfo", SHIPPING),
}


class Write(NamedTuple):
    """One write: where it goes, a body that is good, and what its fields take."""

    method: str
    path: str
    good: str
    fields: dict[str, Kind]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path.replace(str(AUCTION), '{}').replace(str(ANNA), '{}')}"

    def body(self, field: str, value: str) -> bytes:
        """The good body with one field said otherwise."""
        said = {name: json.dumps(good) for name, good in EXAMPLES[self.good].items()}
        outer, _, inner = field.partition(".")
        if inner:
            kept = EXAMPLES[self.good].get(outer, {})
            parts = {**{name: json.dumps(good) for name, good in kept.items()}, inner: value}
            value = _object(parts)
        return _object({**said, outer: value}).encode("utf-8", "surrogatepass")

    def without(self, field: str) -> bytes:
        """The good body without a field."""
        return json.dumps({name: good for name, good in EXAMPLES[self.good].items() if name != field}).encode()

    def attacks(self) -> Iterator[tuple[str, str, bytes]]:
        """What is tried: the field that must be named, the value in short, the body."""
        for field, kind in self.fields.items():
            for value in kind.all:
                yield field, value[:40], self.body(field, value)
            if kind.required:
                yield field, "missing", self.without(field)
        for extra in (
            "nonsense",
            "id",
            "userId",
            "sellerId",
            "status",
            "roles",
            "__proto__",
            "starting_price",
            "bidder_id",
        ):
            yield extra, "unknown", self.body(extra, "1")
        for value in ("[]", "1", '"x"', "null", "true"):
            yield "body", value, value.encode()
        for broken in (b"{", b"{}}", b"\xff\xfe", b'{"a":1,"a":2}', b'{"a":}', b"{'a':1}", b"nonsense", b"[" * 20_000):
            yield "body", repr(broken[:20]), broken


def _object(parts: dict[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in parts.items()) + "}"


BID_ID = "01923f71-52fa-7903-9bf5-90ca43315d69"

WRITES = (
    Write("POST", f"/auctions/{AUCTION}/bids", "PlaceBid", {
        "amount": AMOUNT, "maxAmount": AMOUNT, "currency": CURRENCY, "confirmed": FLAG, "message": prose(500),
    }),
    Write("POST", "/auctions", "CreateAuction", {
        "title": line(200, required=True),
        "startingPrice": needed(AMOUNT),
        "duration": whole(60, 2_592_000, required=True),
        "currency": CURRENCY,
        "reservePolicy": CHOICE,
        "reserveLowering": FLAG,
        "buyNowPolicy": CHOICE,
        "startTime": TIME,
        "increments": CHOICE,
        "retraction": FLAG,
        "sellerMayStop": FLAG,
        "confirmFactor": whole(2, 1_000),
        "blocked": listed(UUID, 1_000),
        "draft": FLAG,
        **nested("closing", CLOSING),
        **OFFER,
    }),
    Write("PUT", f"/auctions/{AUCTION}", "UpdateAuction", {
        "title": line(200), "startingPrice": AMOUNT, "duration": whole(60, 2_592_000), **OFFER,
    }),
    Write("POST", "/search/clicks", "Click", {
        "searchId": needed(UUID), "resultId": needed(UUID), "position": whole(1, 100_000, required=True),
    }),
    Write("POST", f"/auctions/{AUCTION}/publish", "PublishAuction", {"startTime": TIME}),
    Write("POST", f"/auctions/{AUCTION}/cancel", "CancelAuction", {"reason": prose(500, required=True)}),
    Write("POST", f"/auctions/{AUCTION}/end", "EndAuction", {"mode": needed(CHOICE), "reason": prose(500)}),
    Write("POST", f"/auctions/{AUCTION}/buy-now", "BuyNow", {"currency": CURRENCY}),
    Write("PUT", f"/auctions/{AUCTION}/reserve", "LowerReserve", {"reservePrice": needed(AMOUNT)}),
    Write("POST", f"/auctions/{AUCTION}/blocked", "BlockBidder", {"bidderId": needed(UUID), "cancelBids": FLAG}),
    Write("DELETE", f"/auctions/{AUCTION}/bids/{BID_ID}", "RetractBid", {"reason": needed(CHOICE)}),
    Write("POST", "/auth/register", "Registration", {
        "email": EMAIL, "password": PASSWORD, "username": needed(USERNAME), "fullName": line(100, required=True),
    }),
    Write("POST", "/auth/verify-email", "TokenOnly", {"token": secret(400)}),
    Write("POST", "/auth/resend-verification", "EmailOnly", {"email": EMAIL}),
    Write("POST", "/auth/logout", "Refresh", {"refreshToken": secret(400)}),
    Write("PUT", "/auth/password", "PasswordChange", {"currentPassword": secret(400), "newPassword": PASSWORD}),
    Write("POST", "/auth/password/forgot", "EmailOnly", {"email": EMAIL}),
    Write("POST", "/auth/password/reset", "PasswordResetRequest", {"token": secret(400), "password": PASSWORD}),
    Write("PATCH", "/users/me", "ProfileChange", {"username": USERNAME, "fullName": line(100)}),
    Write("DELETE", "/users/me", "Erasure", {"password": secret(400)}),
    Write("POST", f"/users/{ANNA}/suspend", "Moderation", {"reason": prose(500, required=True)}),
    Write("POST", f"/users/{ANNA}/reinstate", "Moderation", {"reason": prose(500, required=True)}),
)  # fmt: skip
NEEDS_REDIS = (
    Write("POST", "/auth/login", "Login", {"email": EMAIL, "password": secret(400)}),
    Write("POST", "/auth/refresh", "Refresh", {"refreshToken": secret(400)}),
)
WITHOUT_A_BODY = (
    "POST /auth/logout-all",
    "POST /users/me/seller",
    f"POST /users/{ANNA}/follow",
    f"DELETE /users/{ANNA}/follow",
    f"POST /auctions/{AUCTION}/watch",
    f"DELETE /auctions/{AUCTION}/watch",
    "POST /live/ticket",
)
BAD_ADDRESSES = (
    "GET /auctions/nobody",
    "GET /auctions/00000000-0000-0000-0000-00000000000g",
    "GET /auctions/%00",
    "GET /auctions/..%2f..%2fetc%2fpasswd",
    "GET /auctions/%F0%28%8C%28",
    "GET /auctions?limit=0",
    "GET /auctions?limit=101",
    "GET /auctions?limit=1e2",
    "GET /auctions?limit=NaN",
    "GET /auctions?limit=99999999999999999999",
    "GET /auctions?cursor=%00",
    "GET /auctions?cursor=" + "x" * 300,
    "GET /auctions?cursor=MTIz",
    "GET /auctions?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ",
    "GET /auctions?status=draft",
    "GET /auctions?status=%27%20OR%201=1--",
    "GET /auctions?seller=nobody",
    "GET /auctions?category=" + "x" * 101,
    "GET /auctions?tag=%00",
    f"GET /auctions/{AUCTION}/bids?cursor=-1",
    f"GET /auctions/{AUCTION}/bids?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
    f"GET /auctions/{AUCTION}/bids?limit=-1",
    "GET /users/nobody",
    "GET /users/%00/followers",
    "GET /users/me/bids?cursor=nonsense",
    "GET /commands/nobody",
    "POST /auctions/nobody/bids",
    f"DELETE /auctions/{AUCTION}/bids/nobody",
)
