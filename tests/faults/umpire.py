"""A second reading of the auction rules, for the checker: says what should have come of each command.

Written from RULES.md alone, slow and plain, keeping every bid; it shares nothing with consumers/bids. Commands, answers and
events have the form of the published vectors. Whether a config is valid, and who is suspended, it takes on trust.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

TABLES = json.loads((Path(__file__).parents[2] / "consumers" / "bids" / "increments.json").read_text())["tables"]
AMOUNT_MAX = 9_999_999_999
HOUR = 3_600_000
PLATFORM = "@platform"
Json = dict[str, Any]


class Said(NamedTuple):
    """An answer (K1) and its events."""

    outcome: str
    code: str
    price: int | None = None
    minimum: int | None = None
    events: tuple[tuple[str, Json], ...] = ()


class Lead(NamedTuple):
    bidder: str
    price: int
    maximum: int


@dataclass
class Bid:
    at: int
    bidder: str
    stated: int | None
    maximum: int
    counted: bool


@dataclass
class Umpire:
    """One auction."""

    config: Json
    start: int
    end: int
    clock: int
    lead: Lead | None = None
    standing: list[Bid] = field(default_factory=list)
    status: str = "open"
    extensions: int = 0
    buy_now_gone: bool = False
    seller_cancelled_at: int | None = None
    blocked: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, config: Json, at: int) -> "Umpire":
        """O1; the config is valid."""
        start = at if config.get("start") is None else config["start"]
        return cls(config, start, config["end"], at, blocked=set(config.get("blocked") or ()))

    # What the config says.

    @property
    def seller(self) -> str:
        return str(self.config["seller"])

    @property
    def reserve(self) -> int | None:
        return self.config.get("reserve")

    @property
    def bid_count(self) -> int:
        """S3."""
        return sum(bid.counted for bid in self.standing)

    @property
    def reserve_met(self) -> bool | None:
        """R3."""
        return None if self.reserve is None else self.lead is not None and self.lead.price >= self.reserve

    @property
    def sells(self) -> bool:
        return self.lead is not None and self.reserve_met is not False

    def step(self, price: int) -> int:
        """I1."""
        table = self.config.get("incrementTable") or "EBAY-US"
        rows = (TABLES[table] if isinstance(table, str) else table)["rows"]
        found = [row["step"] for row in rows if row["from"] <= price]
        return int(found[-1] if found else rows[0]["step"])

    @property
    def minimum(self) -> int:
        """B2."""
        if self.lead is None:
            return int(self.config["startPrice"])
        return self.lead.price + self.step(self.lead.price)

    # K4.

    def ask(self, command: Json, t: int, *, conflict: bool = False) -> Said:
        """What comes of a command; `conflict` when its key was used for another body (K3)."""
        self.clock = t = max(t, self.clock)
        said = self._conflict(command) if conflict else self._judge(command, t)
        if said.outcome == "refused" and command["type"] in ("bid", "buy_now"):
            data: Json = {"bidder": command["bidder"], "reason": said.code}
            if said.minimum is not None:
                data["minimum"] = said.minimum
            return said._replace(events=(("BidRefused", data),))
        return said

    def _conflict(self, _command: Json) -> Said:
        return _no("idempotency_conflict")

    def _judge(self, command: Json, t: int) -> Said:
        kind = command["type"]
        judges = {
            "bid": self._bid, "buy_now": self._buy_now, "retract": self._retract, "end_early": self._end_early,
            "cancel": self._cancel, "lower_reserve": self._lower_reserve, "block_bidder": self._block,
        }  # fmt: skip
        if kind == "open":
            return _no("auction_exists")
        if kind not in judges and kind != "close":
            return _no("invalid_command")
        if command.get("deadline") is not None and t >= command["deadline"]:
            return _no("deadline_passed")
        if (code := self._shape(command)) is not None:
            return _no(code)
        if kind == "close":
            return self._close(t)
        if self.status == "cancelled":
            return _no("auction_cancelled")
        if self.status == "ended" or t >= self.end:
            return _no("auction_ended")
        if t < self.start and kind not in ("cancel", "lower_reserve", "block_bidder"):
            return _no("auction_not_started")
        return judges[kind](command, t)

    def _shape(self, command: Json) -> str | None:
        if command["type"] == "bid":
            amounts = [one for one in (command.get("amount"), command.get("maxAmount")) if one is not None]
            if not amounts or not all(map(_is_amount, amounts)):
                return "invalid_amount"
            if amounts[0] > amounts[-1]:
                return "amount_above_maximum"
        if command.get("currency") not in (None, self.config.get("currency") or "USD"):
            return "currency_mismatch"
        if command["type"] == "end_early" and command.get("mode") not in ("sell_to_high_bidder", "cancel"):
            return "invalid_command"
        reserve = command.get("reserve")
        if command["type"] == "lower_reserve" and (type(reserve) is not int or reserve < 0):
            return "invalid_reserve"
        return None

    # Bids (section 5).

    def _bid(self, command: Json, t: int) -> Said:
        bidder: str = command["bidder"]
        stated: int | None = command.get("amount")
        maximum: int = stated if command.get("maxAmount") is None and stated is not None else command["maxAmount"]
        if bidder == self.seller or bidder in (self.config.get("linkedAccounts") or ()):
            return _no("own_auction")
        if bidder in self.blocked:
            return _no("bidder_blocked")
        if self.lead is not None and bidder == self.lead.bidder:
            if maximum <= self.lead.maximum:
                return _no("not_above_own_maximum")
        elif maximum < self.minimum or (stated is not None and stated < self.minimum):
            return _no("below_start_price" if self.lead is None else "below_minimum", self.minimum)
        if command.get("limit") is not None and maximum > command["limit"]:
            return _no("bidding_limit_exceeded")
        factor = self.config.get("confirmFactor")
        price = self.lead.price if self.lead else self.config["startPrice"]
        if factor and command.get("confirmed") is not True and maximum > factor * price:
            return _no("confirmation_required")
        buy_now = self.config.get("buyNow")
        if buy_now and buy_now.get("maxPolicy") == "buys" and not self.buy_now_gone and maximum >= buy_now["price"]:
            return self._bought(bidder)
        return self._placed(Bid(t, bidder, stated, maximum, counted=True))

    def _placed(self, bid: Bid) -> Said:
        before, after = self.lead, self._folded(self.lead, bid)
        events: list[tuple[str, Json]] = []
        was = before.price if before else None
        if before is not None and before.bidder == bid.bidder:
            code, bid.counted = "maximum_raised", False
            events.append(("MaximumRaised", {"bidder": bid.bidder}))
            if after.price != was:
                events.append(_placed(bid.bidder, after.price, was, wins=True, automatic=True))
        elif after.bidder == bid.bidder:
            code = "leading"
            if before is not None and before.maximum > before.price:
                events.append(_placed(before.bidder, before.maximum, was, wins=False, automatic=True))
                was = before.maximum
            events.append(_placed(bid.bidder, after.price, was, wins=True, automatic=False))
        else:
            code = "outbid"
            events.append(_placed(bid.bidder, bid.maximum, was, wins=False, automatic=False))
            events.append(_placed(after.bidder, after.price, bid.maximum, wins=True, automatic=True))
        self.lead = after
        self.standing.append(bid)
        if self.reserve_met is not False:
            self.buy_now_gone = True
        changed = before is None or (before.price, before.bidder) != (after.price, after.bidder)
        if changed and self._extend(bid.at):
            events.append(("AuctionExtended", {"endTime": self.end}))
        return Said("accepted", code, price=after.price, events=tuple(events))

    def _folded(self, lead: Lead | None, bid: Bid) -> Lead:
        """B3-B7, R1, R2."""
        if lead is None:
            lead = Lead(bid.bidder, bid.stated or self.config["startPrice"], bid.maximum)
        elif bid.bidder == lead.bidder:
            lead = lead._replace(maximum=max(lead.maximum, bid.maximum))
        elif bid.maximum <= lead.maximum:
            lead = lead._replace(price=min(lead.maximum, bid.maximum + self.step(bid.maximum)))
        else:
            price = min(bid.maximum, lead.maximum + self.step(lead.maximum))
            lead = Lead(bid.bidder, max(price, bid.stated or 0), bid.maximum)
        if self.reserve is not None and lead.price < self.reserve:
            if lead.maximum >= self.reserve:
                return lead._replace(price=self.reserve)
            if self.config.get("reservePolicy") == "jump":
                return lead._replace(price=lead.maximum)
        return lead

    def _extend(self, t: int) -> bool:
        """C1-C5."""
        closing = self.config.get("closing") or {"mode": "hard"}
        if closing["mode"] == "counter_bid":
            window, extension, way = 10_000, closing["counterBidTime"], "reset"
        elif closing["mode"] == "soft":
            window, way = closing["window"], closing.get("extend") or "reset"
            extension = closing.get("extension") or window
        else:
            return False
        most, stop = closing.get("maxExtensions"), closing.get("hardStop")
        if self.end - t >= window or (most is not None and self.extensions >= most):
            return False
        end = self.end + extension if way == "add" else max(self.end, t + extension)
        end = end if stop is None else min(end, stop)
        if end <= self.end:
            return False
        self.end = end
        self.extensions += 1
        return True

    # Endings (sections 7 to 9).

    def _buy_now(self, command: Json, _t: int) -> Said:
        buy_now, buyer, limit = self.config.get("buyNow"), command["bidder"], command.get("limit")
        if buyer == self.seller:
            return _no("own_auction")
        if buyer in self.blocked:
            return _no("bidder_blocked")
        if not buy_now or self.buy_now_gone:
            return _no("buy_now_unavailable")
        if limit is not None and buy_now["price"] > limit:
            return _no("bidding_limit_exceeded")
        return self._bought(buyer)

    def _bought(self, buyer: str) -> Said:
        price = self.config["buyNow"]["price"]
        self.lead = Lead(buyer, price, price)
        return self._over("sold_buy_now", "bought")._replace(price=price)

    def _close(self, t: int) -> Said:
        if self.status != "open":
            return Said("no_op", "already_ended")
        if t < self.end:
            return Said("no_op", "not_due")
        return self._over("sold" if self.sells else "no_bids" if self.lead is None else "reserve_not_met", "ended")

    def _over(self, outcome: str, code: str, *before: tuple[str, Json]) -> Said:
        self.status = "cancelled" if outcome == "cancelled" else "ended"
        data: Json = {"outcome": outcome, "totalBids": self.bid_count}
        if outcome in ("sold", "sold_buy_now") and self.lead is not None:
            data |= {"winner": self.lead.bidder, "finalPrice": self.lead.price}
        return Said("accepted", code, events=(*before, ("AuctionEnded", data)))

    def _end_early(self, command: Json, t: int) -> Said:
        if command["by"] != self.seller or self.config.get("sellerMayStop") is False:
            return _no("not_allowed")
        if command["mode"] == "cancel" and not command.get("reason"):
            return _no("reason_required")
        if self._cancelled_recently(t):
            return _no("seller_cancelled_bids_recently")
        if self.sells and self.end - t <= 12 * HOUR:
            return _no("has_qualifying_bid")
        if command["mode"] == "cancel":
            return self._called_off("seller", command["reason"])
        return self._over("sold", "ended") if self.sells else _no("no_qualifying_bid")

    def _cancel(self, command: Json, t: int) -> Said:
        platform = command["by"] == PLATFORM
        may_stop = self.config.get("sellerMayStop") is not False or t < self.start
        if not platform and (command["by"] != self.seller or not may_stop or self.lead is not None):
            return _no("not_allowed")
        if not command.get("reason"):
            return _no("reason_required")
        if not platform and self._cancelled_recently(t):
            return _no("seller_cancelled_bids_recently")
        return self._called_off("platform" if platform else "seller", command["reason"])

    def _called_off(self, by: str, reason: str) -> Said:
        return self._over("cancelled", "cancelled", ("AuctionCancelled", {"by": by, "reason": reason}))

    def _cancelled_recently(self, t: int) -> bool:
        return self.seller_cancelled_at is not None and t - self.seller_cancelled_at < 12 * HOUR

    # Taking back (sections 6 and 8).

    def _lower_reserve(self, command: Json, t: int) -> Said:
        old, new = self.reserve, command["reserve"]
        if command["by"] != self.seller or self.config.get("reserveLowering") is False or old is None:
            return _no("not_allowed")
        if self.end - t < 12 * HOUR:
            return _no("too_late_to_lower")
        if self.reserve_met:
            return _no("reserve_already_met")
        if not (0 if self.lead is None else self.minimum) <= new <= old - self.step(old):
            return _no("invalid_reserve")
        self.config = self.config | {"reserve": new or None}
        if new:
            for bid in self.standing:
                bid.maximum = min(bid.maximum, new - 1)
            if self.lead is not None:
                self.lead = self.lead._replace(maximum=min(self.lead.maximum, new - 1))
        return Said("accepted", "reserve_lowered", events=(("ReserveLowered", {"hasReserve": bool(new)}),))

    def _retract(self, command: Json, t: int) -> Said:
        if self.config.get("retraction") is False:
            return _no("not_allowed")
        own = [bid for bid in self.standing if bid.bidder == command["bidder"]]
        if not own:
            return _no("nothing_to_retract")
        if command.get("reason") not in ("wrong_amount", "description_changed"):
            return _no("reason_required")
        if self.end - t <= 12 * HOUR:
            own = own[-1:]
            if t - own[0].at > HOUR:
                return _no("too_late_to_retract")
        return Said("accepted", "retracted", events=self._withdraw(own, "bidder", command["reason"]))

    def _block(self, command: Json, t: int) -> Said:
        by = "platform" if command["by"] == PLATFORM else "seller"
        with_bids = command.get("cancelBids") is True
        stops = with_bids and t >= self.start and self.config.get("sellerMayStop") is False
        if by == "seller" and (command["by"] != self.seller or stops):
            return _no("not_allowed")
        bidder = command["bidder"]
        events: tuple[tuple[str, Json], ...] = ()
        if bidder not in self.blocked:
            self.blocked.add(bidder)
            events = (("BidderBlocked", {"bidder": bidder}),)
        own = [bid for bid in self.standing if bid.bidder == bidder]
        if with_bids and own:
            events += self._withdraw(own, by, "bidder_blocked")
            if by == "seller":
                self.seller_cancelled_at = t
        return Said("accepted", "blocked", events=events) if events else Said("no_op", "already_blocked")

    def _withdraw(self, own: list[Bid], by: str, reason: str) -> tuple[tuple[str, Json], ...]:
        """X3, E7."""
        self.standing = [bid for bid in self.standing if not any(bid is one for one in own)]
        self.lead = None
        for bid in self.standing:
            self.lead = self._folded(self.lead, bid)
        leader, price = (self.lead.bidder, self.lead.price) if self.lead else (None, None)
        return (
            ("BidRetracted", {"bidder": own[0].bidder, "by": by, "reason": reason, "bids": len(own)}),
            ("PriceRecomputed", {"leader": leader, "price": price, "bidCount": self.bid_count}),
        )


def _no(code: str, minimum: int | None = None) -> Said:
    return Said("refused", code, minimum=minimum)


def _placed(bidder: str, amount: int, was: int | None, *, wins: bool, automatic: bool) -> tuple[str, Json]:
    return (
        "BidPlaced",
        {"bidder": bidder, "amount": amount, "previousAmount": was, "isWinning": wins, "automatic": automatic},
    )


def _is_amount(value: object) -> bool:
    return type(value) is int and 1 <= value <= AMOUNT_MAX
