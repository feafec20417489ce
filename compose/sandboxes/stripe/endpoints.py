"""Webhook endpoints: where events are sent, and the secret that signs them."""

from compose.sandboxes.stripe.problems import Problem
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World, token


def create(world: World, call: Call) -> Body:
    """POST /v1/webhook_endpoints: the only answer with the secret in it."""
    given = call.params
    if not given["url"].startswith(("http://", "https://")):
        raise Problem(
            "Invalid URL: An explicit scheme (such as https) must be provided.", param="url", code="url_invalid"
        )
    secret = f"whsec_{token(32)}"
    made = new(world, given["url"], [secret], connect=bool(given.get("connect")), types=given["enabled_events"])
    made["description"] = given.get("description") or None
    made["metadata"] = given.get("metadata") or {}
    world.store.change(made)
    return made | {"secret": secret}


def new(world: World, url: str, secrets: list[str], *, connect: bool, types: list[str]) -> Body:
    """An endpoint whose webhooks are signed with each of the secrets; `connect`: of connected accounts' events."""
    return world.add(
        "webhook_endpoint",
        "we",
        {
            "api_version": world.api_version,
            "application": None,
            "description": None,
            "enabled_events": types,
            "metadata": {},
            "status": "enabled",
            "url": url,
            "_connect": connect,
            "_secrets": secrets,
        },
    )


def ours(world: World, url: str, secrets: list[str]) -> None:
    """The marketplace's own endpoints, one for the platform's events and one for the sellers', both at one address."""
    for connect in (False, True):
        known = next(
            (one for one in world.store.newest("webhook_endpoint") if one.get("_ours") and one["_connect"] == connect),
            None,
        )
        endpoint = known or new(world, url, secrets, connect=connect, types=["*"])
        endpoint |= {"url": url, "_secrets": secrets, "_ours": True}
        world.store.change(endpoint)
    world.store.save()


def update(world: World, call: Call) -> Body:
    """POST /v1/webhook_endpoints/{id}"""
    found = world.need("webhook_endpoint", call.path["id"], in_path=True)
    for name in ("url", "enabled_events", "description"):
        if name in call.params:
            found[name] = call.params[name]
    if "disabled" in call.params:
        found["status"] = "disabled" if call.params["disabled"] else "enabled"
    return world.store.change(found)


def delete(world: World, call: Call) -> Body:
    """DELETE /v1/webhook_endpoints/{id}"""
    found = world.need("webhook_endpoint", call.path["id"], in_path=True)
    found |= {"status": "disabled", "deleted": True}
    world.store.change(found)
    return {"id": found["id"], "object": "webhook_endpoint", "deleted": True}
