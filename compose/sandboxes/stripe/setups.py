"""SetupIntents: keeping a card for charges while its owner is away."""

from compose.sandboxes.stripe import attempts
from compose.sandboxes.stripe.customers import living
from compose.sandboxes.stripe.parameters import changed_metadata
from compose.sandboxes.stripe.problems import wrong_state
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World, token


def create(world: World, call: Call) -> Body:
    """POST /v1/setup_intents"""
    given = call.params
    if given.get("customer"):
        living(world, given["customer"])
    body: Body = {
            **attempts.methods_wanted(given),
            "application": None,
            "cancellation_reason": None,
            "client_secret": None,
            "customer": given.get("customer"),
            "description": given.get("description"),
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "mandate": None,
            "metadata": changed_metadata({}, given.get("metadata", {})),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}},
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": given.get("usage", "off_session"),
    }  # fmt: skip
    attempts.take_method(world, body, given, call)
    made = world.add("setup_intent", "seti", body)
    made["client_secret"] = f"{made['id']}_secret_{token(25)}"
    world.tell("setup_intent.created", made, call)
    if given.get("confirm"):
        return attempts.confirm(world, made, given, call)
    return world.store.change(made)


def of(world: World, call: Call) -> Body:
    """The intent of the address; with a publishable key only with its client secret. Raises Problem."""
    found = world.need("setup_intent", call.path["id"], in_path=True)
    attempts.judge_secret(found, call)
    return found


def retrieve(world: World, call: Call) -> Body:
    """GET /v1/setup_intents/{id}"""
    return of(world, call)


def confirm(world: World, call: Call) -> Body:
    """POST /v1/setup_intents/{id}/confirm, by us or by Stripe.js"""
    return attempts.confirm(world, of(world, call), call.params, call)


def cancel(world: World, call: Call) -> Body:
    """POST /v1/setup_intents/{id}/cancel"""
    found = of(world, call)
    if found["status"] not in attempts.OPEN:
        raise wrong_state(
            "setup_intent",
            f"You cannot cancel this SetupIntent because it has a status of {found['status']}. Only a SetupIntent with one of the "
            "following statuses may be canceled: requires_payment_method, requires_confirmation, requires_action.",
            {"setup_intent": attempts.shown(found)},
        )
    found |= {"status": "canceled", "cancellation_reason": call.params.get("cancellation_reason"), "next_action": None}
    world.tell("setup_intent.canceled", world.store.change(found), call)
    return found
