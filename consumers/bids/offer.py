"""What a seller offers: the terms of an auction, read from its config and checked (RULES section 3)."""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from consumers.bids.increments import LARGEST_AMOUNT, TABLES, Increments, is_amount, table_of

_COUNTER_BID_WINDOW_MS: Final = 10_000  # C3
_LARGEST_WHOLE: Final = 2**53 - 1  # What JSON carries exactly; sums of two still fit the 64 bits of a snapshot.


class Closing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When a late bid moves the end (section 7); all times in ms. A window of 0 never extends."""

    mode: Literal["hard", "soft", "counter_bid", "sudden_death"] = "hard"
    window: int = 0
    extension: int = 0
    extend: Literal["reset", "add"] = "reset"
    max_extensions: int | None = None
    hard_stop: int | None = None


class BuyNowTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The Buy It Now price in minor units, and whether a maximum that reaches it buys (N1, N5)."""

    price: int
    max_policy: Literal["ordinary", "buys"] = "ordinary"
    min_percent: int = 130


class Terms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What no bid changes; one object shared by all states of an auction. Amounts in minor units."""

    seller: str
    linked_accounts: frozenset[str]
    currency: str
    start_price: int
    increments: Increments  # Copied at the opening: later changes of tables do not touch it (O4).
    reserve_policy: Literal["hold", "jump"]
    reserve_lowering: bool
    closing: Closing
    buy_now: BuyNowTerms | None
    retraction: bool
    seller_may_stop: bool
    confirm_factor: int | None
    strikes_max: int | None = None
    """With more strikes than this nobody bids or buys here; None lets everybody."""
    pay_window_s: int | None = None
    """How long the winner may take to pay, for payments to keep; None leaves it to the platform."""


class Offer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Terms together with what may move later. Times in ms; a duration waits in a draft until there is a start."""

    terms: Terms
    start: int | None
    end: int | None
    duration: int | None
    reserve: int | None
    blocked: frozenset[str]


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The table of section 3 as somebody sent it, unread. UNSET leaves a value as it is, None takes the default.

    `duration` in ms may stand in the place of `end`.
    """

    seller: Any = UNSET
    linked_accounts: Any = UNSET
    currency: Any = UNSET
    start_price: Any = UNSET
    start: Any = UNSET
    end: Any = UNSET
    duration: Any = UNSET
    increments: Any = msgspec.field(default=UNSET, name="incrementTable")
    reserve: Any = UNSET
    reserve_policy: Any = UNSET
    reserve_lowering: Any = UNSET
    closing: Any = UNSET
    buy_now: Any = UNSET
    retraction: Any = UNSET
    seller_may_stop: Any = UNSET
    confirm_factor: Any = UNSET
    strikes_max: Any = UNSET
    pay_window_s: Any = UNSET
    blocked: Any = UNSET


BLANK: Final = Offer(
    Terms(
        seller="",
        linked_accounts=frozenset(),
        currency="USD",
        start_price=0,
        increments=TABLES["EBAY-US"],
        reserve_policy="hold",
        reserve_lowering=True,
        closing=Closing(),
        buy_now=None,
        retraction=True,
        seller_may_stop=True,
        confirm_factor=None,
    ),
    start=None,
    end=None,
    duration=None,
    reserve=None,
    blocked=frozenset(),
)


def read(config: Config, before: Offer = BLANK) -> Offer:
    """The offer `before` with what the config says changed in it.

    Raises ValueError or KeyError if a field is not of its kind; whether the fields agree is for `prices_agree`
    and `times_agree`.
    """
    terms = Terms(**_fields(config, _TERMS, before.terms, BLANK.terms))
    offer = Offer(terms, **_fields(config, _OFFER, before, BLANK))
    if config.duration is not UNSET and config.duration is not None:
        if config.end is not UNSET and config.end is not None:
            raise ValueError("either `end` or `duration`")
        return replace(offer, end=None)
    return offer if config.end is UNSET else replace(offer, duration=None)


def timed(offer: Offer, at: int) -> Offer:
    """The offer with its times fixed: an absent start is now, and a duration has become an end (O2)."""
    start = at if offer.start is None else offer.start
    end = offer.end if offer.duration is None else start + offer.duration
    return replace(offer, start=start, end=end, duration=None)


def prices_agree(offer: Offer) -> bool:
    """Whether seller and start price are there, the reserve is above it, Buy It Now high enough (O2, N1)."""
    terms, reserve, buy_now = offer.terms, offer.reserve, offer.terms.buy_now
    if not terms.seller or not is_amount(terms.start_price):
        return False
    if reserve is not None and reserve <= terms.start_price:
        return False
    if buy_now is None:
        return True
    return buy_now.price * 100 >= terms.start_price * buy_now.min_percent and buy_now.price >= (reserve or 0)


def times_agree(offer: Offer, at: int) -> bool:
    """Whether the end lies after the start and after now, and no hard stop before it (O2)."""
    if offer.start is None or offer.end is None:
        return False
    hard_stop = offer.terms.closing.hard_stop
    return offer.end > offer.start and offer.end > at and (hard_stop is None or hard_stop >= offer.end)


def _fields(config: Config, readers: dict[str, Callable[[Any], Any]], before: Any, blank: Any) -> dict[str, Any]:
    fields = {}
    for name, reader in readers.items():
        said = getattr(config, name)
        if said is UNSET:
            fields[name] = getattr(before, name)
        elif said is None:
            fields[name] = getattr(blank, name)
        else:
            fields[name] = reader(said)
    return fields


def _must(fits: bool, value: Any) -> Any:  # noqa: FBT001 - reads as "must (be so)"
    if not fits:
        raise ValueError(f"does not fit: {value!r}")
    return value


def _text(x: Any) -> Any:
    return _must(isinstance(x, str) and x != "", x)


def _texts(x: Any) -> frozenset[str]:
    return frozenset(_text(one) for one in _must(isinstance(x, list | tuple), x))


def _flag(x: Any) -> Any:
    return _must(isinstance(x, bool), x)


def _amount(x: Any) -> Any:
    return _must(is_amount(x), x)


def _whole(x: Any, least: int = -_LARGEST_WHOLE) -> Any:
    return _must(type(x) is int and least <= x <= _LARGEST_WHOLE, x)


def _one_of(*choices: str) -> Callable[[Any], Any]:
    return lambda x: _must(isinstance(x, str) and x in choices, x)


def _factor(x: Any) -> int:
    # More than the largest amount changes nothing, and need not fit the 64 bits of a snapshot.
    return min(int(_must(type(x) is int and x >= 2, x)), LARGEST_AMOUNT)


def _closing(x: Any) -> Closing:
    mode = _one_of("hard", "soft", "counter_bid", "sudden_death")(_must(isinstance(x, dict), x)["mode"])
    most, stop = x.get("maxExtensions"), x.get("hardStop")
    bounds = (None if most is None else _whole(most, 0), None if stop is None else _whole(stop))
    if mode == "soft":
        window, extension, extend = _whole(x["window"], 1), x.get("extension"), x.get("extend")
        return Closing(
            mode,
            window,
            window if extension is None else _whole(extension, 1),
            "reset" if extend is None else _one_of("reset", "add")(extend),
            *bounds,
        )
    if mode == "counter_bid":
        return Closing(mode, _COUNTER_BID_WINDOW_MS, _whole(x["counterBidTime"], 1), "reset", *bounds)
    return Closing(mode, 0, 0, "reset", *bounds)


def _buy_now(x: Any) -> BuyNowTerms:
    policy, percent = _must(isinstance(x, dict), x).get("maxPolicy"), x.get("minPercent")
    return BuyNowTerms(
        _amount(x["price"]),
        "ordinary" if policy is None else _one_of("ordinary", "buys")(policy),
        130 if percent is None else _whole(percent, 0),
    )


_TERMS: Final[dict[str, Callable[[Any], Any]]] = {
    "seller": _text,
    "linked_accounts": _texts,
    "currency": _text,
    "start_price": _amount,
    "increments": table_of,
    "reserve_policy": _one_of("hold", "jump"),
    "reserve_lowering": _flag,
    "closing": _closing,
    "buy_now": _buy_now,
    "retraction": _flag,
    "seller_may_stop": _flag,
    "confirm_factor": _factor,
    "strikes_max": lambda x: _whole(x, 0),
    "pay_window_s": lambda x: _whole(x, 1),
}
_OFFER: Final[dict[str, Callable[[Any], Any]]] = {
    "start": _whole,
    "end": _whole,
    "duration": _whole,
    "reserve": _amount,
    "blocked": _texts,
}
