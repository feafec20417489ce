"""What all of Stripe's resources share here: ids, time, events, and the movements on the accounts' balances."""

import copy
import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from compose.sandboxes.stripe.problems import no_such
from compose.sandboxes.stripe.store import PLATFORM, Body, Store

_LETTERS = string.ascii_letters + string.digits
PENDING_S = 2 * 86_400
"""Money of a charge is available after so long, as on a young American account."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its parameters with their types, the ids of its path, and who speaks."""

    params: Body
    path: dict[str, str] = field(default_factory=dict)
    account: str = PLATFORM
    is_public: bool = False
    """Made with the publishable key: knows only what its client secret opens."""
    request_id: str = ""
    idempotency_key: str | None = None
    base_url: str = ""


Operation = Callable[["World", Call], Body]


class World:
    """The stand-in's state and what every operation does to it."""

    def __init__(self, store: Store, *, api_version: str) -> None:
        """Take where things are kept and the version of the API that events are worded in."""
        self.store = store
        self.api_version = api_version
        self.told: list[Body] = []
        """Events that no webhook was made of yet."""

    def now(self) -> int:
        """Seconds since 1970, on the stand-in's clock, which tests may put forward."""
        return int(time.time()) + self.store.setting("ahead_s", 0)

    def add(self, kind: str, prefix: str, body: Body, *, owner: str = PLATFORM) -> Body:
        """A new object with an id, its kind's name and its time."""
        made = {"id": new_id(prefix), "object": kind, "created": self.now()} | body
        if kind not in _WITHOUT_MODE:
            made["livemode"] = False
        return self.store.add(kind, made, owner=owner)

    def need(
        self, kind: str, object_id: str, *, param: str = "id", in_path: bool = False, owner: str | None = None
    ) -> Body:
        """The object, which a parameter (400) or the address (404) names; raises Problem when there is none."""
        found = self.store.get(kind, object_id, owner=owner)
        if found is None:
            words = {"payment_method": "PaymentMethod", "payment_intent": "payment_intent"}.get(kind, kind)
            raise no_such(words, object_id, param, status=404 if in_path else 400)
        return found

    def tell(
        self, kind: str, body: Body, call: Call | None, *, owner: str = PLATFORM, before: Body | None = None
    ) -> Body:
        """An event with the object as it is now; `before` are the values that an update replaced."""
        data: Body = {"object": copy.deepcopy({k: v for k, v in body.items() if not k.startswith("_")})}
        if before is not None:
            data["previous_attributes"] = before
        asked = (
            {"id": call.request_id or None, "idempotency_key": call.idempotency_key}
            if call
            else {"id": None, "idempotency_key": None}
        )
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": self.api_version,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": asked,
            "type": kind,
        }
        if owner != PLATFORM:
            event["account"] = owner
        self.told.append(self.store.add("event", event, owner=owner))
        return event

    def move(
        self,
        kind: str,
        amount: int,
        currency: str,
        *,
        source: str,
        fee: int = 0,
        owner: str = PLATFORM,
        available_on: int | None = None,
        description: str | None = None,
    ) -> Body:
        """A movement on an account's balance: `amount` comes (or goes, below zero), `fee` stays with Stripe."""
        fees = [
            {
                "amount": fee,
                "application": None,
                "currency": currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ]
        at = self.now() if available_on is None else available_on
        return self.add(
            "balance_transaction",
            "txn",
            {
                "amount": amount,
                "available_on": at,
                "balance_type": "payments",
                "currency": currency,
                "description": description,
                "exchange_rate": None,
                "fee": fee,
                "fee_details": fees if fee else [],
                "net": amount - fee,
                "reporting_category": _CATEGORY.get(kind, kind),
                "source": source,
                "status": "available" if at <= self.now() else "pending",
                "type": kind,
            },
            owner=owner,
        )

    def balance(self, owner: str = PLATFORM) -> dict[str, tuple[int, int]]:
        """Available and pending money of an account, by currency."""
        found: dict[str, tuple[int, int]] = {}
        for row in self.store.newest("balance_transaction", owner=owner):
            available, pending = found.get(row["currency"], (0, 0))
            if row["available_on"] <= self.now():
                found[row["currency"]] = (available + row["net"], pending)
            else:
                found[row["currency"]] = (available, pending + row["net"])
        return found


_WITHOUT_MODE = frozenset({"account", "balance_transaction", "refund", "transfer_reversal"})
_CATEGORY = {
    "payment": "charge",
    "transfer_refund": "transfer_reversal",
    "adjustment": "dispute",
    "payment_refund": "refund",
}


def new_id(prefix: str) -> str:
    """A new id in Stripe's form."""
    return f"{prefix}_{token(24)}"


def token(length: int) -> str:
    """Letters and digits that nobody guesses."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def as_list(items: list[Any], url: str, *, has_more: bool = False) -> Body:
    """Stripe's shape of a list."""
    return {"object": "list", "data": items, "has_more": has_more, "url": url}


def written(body: Body) -> bytes:
    """An object as Stripe lays it out."""
    return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
