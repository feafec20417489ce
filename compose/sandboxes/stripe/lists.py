"""Lists: what a filter lets through, the newest first, a page at a time (API reference, Pagination)."""

from collections.abc import Callable

from compose.sandboxes.stripe.attempts import shown
from compose.sandboxes.stripe.customers import living
from compose.sandboxes.stripe.problems import invalid, no_such
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, Operation, World, as_list

LIMIT = 10
LIMIT_MAX = 100
_PAGING = frozenset({"limit", "starting_after", "ending_before", "expand", "created"})


def of(kind: str, url: str) -> Operation:
    """The operation that lists objects of a kind by their fields."""

    def listed(world: World, call: Call) -> Body:
        wanted = {name: value for name, value in call.params.items() if name not in _PAGING}
        return page(world, call, kind, url, lambda body: all(body.get(name) == value for name, value in wanted.items()))

    return listed


def events(world: World, call: Call) -> Body:
    """GET /v1/events"""
    given = call.params
    kinds = set(given.get("types", ())) | ({given["type"]} if "type" in given else set())
    delivered = given.get("delivery_success")

    def fits(body: Body) -> bool:
        named = (
            not kinds
            or body["type"] in kinds
            or any(kind.endswith(".*") and body["type"].startswith(kind[:-1]) for kind in kinds)
        )
        return named and delivered in (None, body["pending_webhooks"] == 0)

    return page(world, call, "event", "/v1/events", fits)


def methods(world: World, call: Call) -> Body:
    """GET /v1/payment_methods and GET /v1/customers/{id}/payment_methods"""
    customer = call.path.get("id") or call.params.get("customer")
    if customer is not None:
        living(world, customer, in_path="id" in call.path)
    kind = call.params.get("type")
    url = f"/v1/customers/{customer}/payment_methods" if "id" in call.path else "/v1/payment_methods"

    def fits(body: Body) -> bool:
        return customer is not None and body["customer"] == customer and kind in (None, body["type"])

    return page(world, call, "payment_method", url, fits)


def customers(world: World, call: Call) -> Body:
    """GET /v1/customers"""
    email = call.params.get("email")
    return page(world, call, "customer", "/v1/customers", lambda one: email in (None, one["email"]))


def reversals(world: World, call: Call) -> Body:
    """GET /v1/transfers/{id}/reversals"""
    found = world.need("transfer", call.path["id"], in_path=True)
    return page(
        world,
        call,
        "transfer_reversal",
        f"/v1/transfers/{found['id']}/reversals",
        lambda one: one["transfer"] == found["id"],
    )


def page(world: World, call: Call, kind: str, url: str, fits: Callable[[Body], bool]) -> Body:
    """One page of the objects of a kind that fit and were not deleted; raises Problem for a page that is none."""
    given = call.params
    limit = given.get("limit", LIMIT)
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid(f"This value must be between 1 and {LIMIT_MAX}.", "limit", "parameter_invalid_integer")
    after, before = (_place(world, given, kind, name) for name in ("starting_after", "ending_before"))
    found: list[Body] = []
    for body in world.store.newest(kind, owner=call.account):
        number = world.store.number(body["id"])
        if after is not None and number >= after:
            continue
        if before is not None and number <= before:
            break
        if not body.get("deleted") and _made_within(body, given.get("created")) and fits(body):
            found.append(body)
            if before is None and len(found) > limit:
                break
    has_more = len(found) > limit
    kept = found[-limit:] if before is not None else found[:limit]
    return as_list([shown(body) for body in kept], url, has_more=has_more)


def _place(world: World, given: Body, kind: str, name: str) -> int | None:
    if name not in given:
        return None
    if world.store.get(kind, given[name]) is None:
        raise no_such(kind, given[name], name, status=400)
    return world.store.number(given[name])


def _made_within(body: Body, created: int | Body | None) -> bool:
    at: int = body["created"]
    if created is None:
        return True
    if isinstance(created, int):
        return at == created
    return bool(
        at > created.get("gt", -1)
        and at >= created.get("gte", 0)
        and at < created.get("lt", at + 1)
        and at <= created.get("lte", at)
    )
