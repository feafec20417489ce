"""Events' webhooks: signed, tried again until they are taken, and lost, doubled or out of order when a switch says so."""

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Sequence
from contextlib import suppress

import httpx
from pydantic import BaseModel, ConfigDict, Field

from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import World, new_id, written

FIRST_RETRY_S = 0.2
RETRY_S_MAX = 60.0
ATTEMPTS_MAX = 30
ANSWER_S_MAX = 20.0
AT_ONCE = 16
LOOK_EVERY_S = 0.5


class Switch(BaseModel):
    """What becomes of webhooks of events whose type begins with `type`, `times` times (for ever when absent)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = ""
    lose: bool = False
    hold: bool = False
    duplicates: int = Field(0, ge=0, le=1_000)
    delay_ms: int = Field(0, ge=0, le=600_000)
    shuffle: bool = False
    times: int | None = Field(None, ge=1)


def signature(body: bytes, secrets: Sequence[str], *, at: int) -> str:
    """The `Stripe-Signature` header: one `v1` for each secret that is good now, and the test mode's `v0`, which signs nothing."""
    signed = f"{at}.".encode() + body
    parts = [f"t={at}"]
    parts += ["v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([*parts, "v0=" + hashlib.sha256(signed).hexdigest()])


class Webhooks:
    """Sends events to the endpoints that want them."""

    def __init__(self, world: World) -> None:
        """Take the world whose events are sent."""
        self._world = world
        self._http: httpx.AsyncClient | None = None
        self._due = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._switches: list[list[Switch | int | None]] = []
        self._waiting = {
            one["id"]: one for one in reversed(list(world.store.newest("_delivery"))) if one["state"] == "due"
        }

    def switch(self, switch: Switch) -> None:
        """Turn a switch on; the oldest that fits decides."""
        self._switches.append([switch, switch.times])

    def switches(self) -> list[Body]:
        """Those that are on, with how often they will still hit."""
        return [one.model_dump() | {"left": left} for one, left in self._switches if isinstance(one, Switch)]

    def clear(self) -> None:
        """Turn all switches off."""
        self._switches.clear()

    def _drawn(self, kind: str) -> Switch:
        for entry in self._switches:
            switch, left = entry
            if isinstance(switch, Switch) and kind.startswith(switch.type):
                if isinstance(left, int):
                    entry[1] = left - 1
                    if left == 1:
                        self._switches.remove(entry)
                return switch
        return Switch()

    def queue(self) -> None:
        """Make deliveries of the events that were told since the last time."""
        told, self._world.told = self._world.told, []
        for event in told:
            wanted = [one for one in self._world.store.newest("webhook_endpoint") if _wants(one, event)]
            if not wanted:
                continue
            switch = self._drawn(event["type"])
            for endpoint in wanted:
                for _ in range(1 + switch.duplicates):
                    self._deliver(event, endpoint, switch)
            event["pending_webhooks"] = len(wanted)
            self._world.store.change(event)
        if told:
            self._due.set()

    def _deliver(self, event: Body, endpoint: Body, switch: Switch) -> None:
        delay_s = switch.delay_ms / 1000 * (random.random() if switch.shuffle else 1)  # noqa: S311 - chance, not secrecy
        delivery = self._world.store.add(
            "_delivery",
            {
                "id": new_id("whd"),
                "event": event["id"],
                "type": event["type"],
                "endpoint": endpoint["id"],
                "state": "lost" if switch.lose else "held" if switch.hold else "due",
                "attempts": 0,
                "due_at": time.time() + delay_s,
                "answers": [],
            },
        )
        if delivery["state"] == "due":
            self._waiting[delivery["id"]] = delivery

    def release(self, event_id: str | None = None) -> int:
        """Make what was held or lost due now, all or one event's; returns how many deliveries."""
        count = 0
        for delivery in self._world.store.newest("_delivery"):
            if delivery["state"] in ("held", "lost") and event_id in (None, delivery["event"]):
                delivery |= {"state": "due", "due_at": time.time()}
                self._waiting[delivery["id"]] = self._world.store.change(delivery)
                count += 1
        self._due.set()
        return count

    async def send(self, event: Body, *, times: int = 1) -> list[int]:
        """Send one event now, to each endpoint that wants it, and return the answers (0: none came)."""
        wanted = [one for one in self._world.store.newest("webhook_endpoint") if _wants(one, event)]
        return [await self._post(event, endpoint) for endpoint in wanted for _ in range(times)]

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._due.clear()
            for delivery in list(self._waiting.values()):
                if len(self._under_way) >= AT_ONCE:
                    break
                if delivery["due_at"] <= time.time() and delivery["id"] not in self._under_way:
                    self._under_way[delivery["id"]] = asyncio.create_task(self._try(delivery))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), LOOK_EVERY_S)

    async def forget(self) -> None:
        """Deliver nothing more of what was told so far; what is under way still arrives before this returns."""
        self._world.told.clear()
        self._waiting.clear()
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=ANSWER_S_MAX)

    async def _try(self, delivery: Body) -> None:
        store = self._world.store
        event = store.get("event", delivery["event"])
        endpoint = store.get("webhook_endpoint", delivery["endpoint"])
        try:
            status = 0 if event is None or endpoint is None else await self._post(event, endpoint)
            # The world may have been emptied meanwhile.
            if event is not None and store.get("_delivery", delivery["id"]) is delivery:
                self._note(delivery, event, status)
        finally:
            self._under_way.pop(delivery["id"], None)
            self._due.set()

    def _note(self, delivery: Body, event: Body, status: int) -> None:
        delivery["attempts"] += 1
        delivery["answers"] = [*delivery["answers"][-9:], status]
        if 200 <= status < 300:
            delivery["state"] = "taken"
            event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
            self._world.store.change(event)
        elif delivery["attempts"] >= ATTEMPTS_MAX:
            delivery["state"] = "given_up"
        else:
            delivery["due_at"] = time.time() + min(RETRY_S_MAX, FIRST_RETRY_S * 2 ** (delivery["attempts"] - 1))
        if delivery["state"] != "due":
            self._waiting.pop(delivery["id"], None)
        self._world.store.change(delivery)
        self._world.store.save()

    async def _post(self, event: Body, endpoint: Body) -> int:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=ANSWER_S_MAX)
        body = written(event)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, endpoint["_secrets"], at=int(time.time())),
        }
        try:
            return (await self._http.post(endpoint["url"], content=body, headers=headers)).status_code
        except httpx.HTTPError:
            return 0


def _wants(endpoint: Body, event: Body) -> bool:
    types = endpoint["enabled_events"]
    return (
        endpoint["status"] == "enabled"
        and bool(endpoint["_connect"]) == ("account" in event)
        and ("*" in types or event["type"] in types)
    )
