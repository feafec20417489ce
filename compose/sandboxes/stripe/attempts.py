"""Confirming an intent: the card is taken, the payer's bank may have to be asked, then the card is charged or kept."""

import hmac
from typing import Any

from compose.sandboxes.stripe import cards, customers, disputes
from compose.sandboxes.stripe.charging import charge
from compose.sandboxes.stripe.problems import Problem, invalid, no_such, unauthorised, wrong_state
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_ERROR = {"payment_intent": "last_payment_error", "setup_intent": "last_setup_error"}


def shown(body: Body) -> Body:
    """An object without what only the stand-in knows of it."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


def judge_secret(intent: Body, call: Call) -> None:
    """Refuse a publishable key without the intent's client secret."""
    secret = call.params.get("client_secret")
    if secret is None:
        if call.is_public:
            raise unauthorised("The client_secret is required when a publishable key is used.")
    elif not isinstance(secret, str) or not hmac.compare_digest(secret.encode(), intent["client_secret"].encode()):
        kind = intent["object"]
        raise no_such(kind, intent["id"], "intent" if kind == "payment_intent" else "id")


def methods_wanted(given: Body) -> Body:
    """How a new intent may be paid: automatically, or by the types that are named, of which cards alone are played here.

    Raises Problem. API 2023-10-16 has both, later ones do not have `payment_method_types` any more.
    """
    automatic, named = given.get("automatic_payment_methods"), given.get("payment_method_types")
    if named is None:
        automatic = automatic or {"enabled": True}
    elif automatic and automatic["enabled"]:
        raise invalid(
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
            "payment_method_types",
        )
    for kind in named.values() if isinstance(named, dict) else () if named is None else [named]:
        if kind != "card":
            raise invalid(f'The payment method type "{kind}" is invalid.', "payment_method_types")
    return {
        "automatic_payment_methods": {"allow_redirects": "always", **automatic}
        if automatic and automatic["enabled"]
        else None,
        "payment_method_types": ["card"],
    }


def take_method(world: World, intent: Body, given: Body, call: Call) -> None:
    """Take the payment method that a request names or describes; raises Problem."""
    if given.get("payment_method_data"):
        method = customers.new_method(world, given["payment_method_data"], call)
    elif given.get("payment_method"):
        method = customers.method(world, given["payment_method"])
    else:
        return
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        raise Problem(
            f"The provided PaymentMethod ({method['id']}) cannot be used: it is attached to another Customer, or you did not say which. "
            "Please include the Customer in the `customer` parameter.",
            param="payment_method",
        )
    if method["_spent"]:
        raise Problem(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected "
            "account without Customer attachment, or was detached from a Customer. It may not be used again.",
            param="payment_method",
        )
    intent["payment_method"] = method["id"]
    if intent["status"] in OPEN:
        intent |= {"status": "requires_confirmation", "next_action": None}


def confirm(world: World, intent: Body, given: Body, call: Call) -> Body:
    """Confirm an intent of either kind; raises Problem, a declined card's 402 among them."""
    kind = intent["object"]
    if intent["status"] not in OPEN:
        done = (
            "it has already succeeded after being previously confirmed"
            if intent["status"] == "succeeded"
            else f"it has a status of {intent['status']}"
        )
        raise wrong_state(kind, f"You cannot confirm this {_camel(kind)} because {done}.", {kind: shown(intent)})
    take_method(world, intent, given, call)
    if intent["payment_method"] is None:
        raise wrong_state(
            kind,
            f"You cannot confirm this {_camel(kind)} because it's missing a payment method. Update the {_camel(kind)} with a payment "
            "method and then confirm it again.",
            {kind: shown(intent)},
        )
    _judge_redirects(intent, given, call)
    method = world.need("payment_method", intent["payment_method"])
    if kind == "payment_intent" and given.get("setup_future_usage"):
        intent["setup_future_usage"] = given["setup_future_usage"]
    if _wants_challenge(method, given):
        return _challenge(world, intent, method, given, call)
    return finish(world, intent, method, call)


def _camel(kind: str) -> str:
    return "PaymentIntent" if kind == "payment_intent" else "SetupIntent"


def _judge_redirects(intent: Body, given: Body, call: Call) -> None:
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and "return_url" not in given and not call.is_public:
        raise Problem(
            f"This {_camel(intent['object'])} is configured to accept payment methods enabled in your Dashboard. Because some of these "
            "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to "
            "accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
            more={intent["object"]: shown(intent)},
        )


def _wants_challenge(method: Body, given: Body) -> bool:
    wish = cards.card_of(method["_card"]).challenge
    kept = method["_confirmed"] and bool(given.get("off_session"))
    return wish == "always" or (wish == "unless_kept" and not kept)


def _challenge(world: World, intent: Body, method: Body, given: Body, call: Call) -> Body:
    if given.get("off_session"):
        refusal = cards.Refusal(
            "authentication_required",
            "authentication_required",
            "Your card was declined. This transaction requires authentication.",
        )
        raise _failed(world, intent, method, refusal, call)
    page = f"{call.base_url}/3ds/{intent['id']}?client_secret={intent['client_secret']}"
    if given.get("return_url"):
        action: Body = {"redirect_to_url": {"return_url": given["return_url"], "url": page}, "type": "redirect_to_url"}
    else:
        action = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "type": "three_d_secure_redirect",
                "stripe_js": page,
                "source": "src_" + intent["id"][3:],
            },
        }
    intent |= {"status": "requires_action", "next_action": action, _ERROR[intent["object"]]: None}
    world.tell(f"{intent['object']}.requires_action", world.store.change(intent), call)
    return intent


def answer_challenge(world: World, intent: Body, *, approved: bool) -> Body:
    """The payer has answered his bank: go on, or fail."""
    if intent["status"] != "requires_action":
        return intent
    method = world.need("payment_method", intent["payment_method"])
    intent["next_action"] = None
    try:
        if approved:
            method["_confirmed"] = True
            world.store.change(method)
            return finish(world, intent, method, None)
        code = f"{intent['object']}_authentication_failure"
        words = "The provided PaymentMethod has failed authentication. You can provide a new payment method to attempt again."
        raise _failed(world, intent, method, cards.Refusal(code, None, words), None)
    except Problem:
        return intent


def finish(world: World, intent: Body, method: Body, call: Call | None) -> Body:
    """Charge the card, or keep it; raises the 402 of a declined one."""
    if intent["object"] == "setup_intent":
        return _keep(world, intent, method, call)
    made = charge(world, intent, method, call)
    intent["latest_charge"] = made["id"]
    refusal = cards.card_of(method["_card"]).refusal
    if refusal is not None:
        raise _failed(world, intent, method, refusal, call, charge_id=made["id"])
    intent |= {"last_payment_error": None, "next_action": None}
    if made["captured"]:
        intent |= {"status": "succeeded", "amount_received": made["amount_captured"]}
        world.tell("payment_intent.succeeded", world.store.change(intent), call)
    else:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        world.tell("payment_intent.amount_capturable_updated", world.store.change(intent), call)
    _after(world, intent, method, made, call)
    return intent


def _after(world: World, intent: Body, method: Body, made: Body, call: Call | None) -> None:
    if intent["setup_future_usage"] and intent["customer"]:
        customers.attached(world, method, intent["customer"], call)
    elif method["customer"] is None:
        method["_spent"] = True
        world.store.change(method)
    disputed = cards.card_of(method["_card"]).disputed
    if disputed is not None and made["captured"]:
        disputes.open_for(world, made, disputed)


def _keep(world: World, intent: Body, method: Body, call: Call | None) -> Body:
    card = cards.card_of(method["_card"])
    if not card.attaches and card.refusal is not None:
        raise _failed(world, intent, method, card.refusal, call)
    if intent["customer"]:
        customers.attached(world, method, intent["customer"], call)
    method["_confirmed"] = True
    world.store.change(method)
    intent |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    world.tell("setup_intent.succeeded", world.store.change(intent), call)
    return intent


def _failed(
    world: World, intent: Body, method: Body, refusal: cards.Refusal, call: Call | None, *, charge_id: str | None = None
) -> Problem:
    kind = intent["object"]
    error: dict[str, Any] = customers.declined(refusal).error | {"payment_method": shown(method)}
    if charge_id is not None:
        error["charge"] = charge_id
    intent |= {"status": "requires_payment_method", "payment_method": None, "next_action": None, _ERROR[kind]: error}
    event = "payment_intent.payment_failed" if kind == "payment_intent" else "setup_intent.setup_failed"
    world.tell(event, world.store.change(intent), call)
    more = {name: value for name, value in error.items() if name in ("payment_method", "charge")}
    return customers.declined(refusal, more | {kind: shown(intent)})
