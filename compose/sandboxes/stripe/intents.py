"""PaymentIntents: asking for a payment, confirming it with a card, with the payer's bank between where it wants to be asked."""

from compose.sandboxes.stripe import attempts
from compose.sandboxes.stripe.charging import book
from compose.sandboxes.stripe.currencies import known_currency, least, words
from compose.sandboxes.stripe.customers import living
from compose.sandboxes.stripe.parameters import changed_metadata
from compose.sandboxes.stripe.problems import Problem, invalid, wrong_state
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World, token

AMOUNT_MAX = 99_999_999
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(world: World, call: Call) -> Body:
    """POST /v1/payment_intents"""
    given = call.params
    _judge(world, given)
    body = _body(given)
    attempts.take_method(world, body, given, call)
    made = world.add("payment_intent", "pi", body)
    made["client_secret"] = f"{made['id']}_secret_{token(25)}"
    world.tell("payment_intent.created", made, call)
    if given.get("confirm"):
        return attempts.confirm(world, made, given, call)
    return world.store.change(made)


def _judge(world: World, given: Body) -> None:
    currency = known_currency(given["currency"])
    amount = given["amount"]
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount < least(currency):
        raise Problem(
            f"Amount must be at least {words(least(currency), currency)}", code="amount_too_small", param="amount"
        )
    if amount > AMOUNT_MAX:
        raise Problem(
            f"Amount must be no more than {words(AMOUNT_MAX, currency)}", code="amount_too_large", param="amount"
        )
    if given.get("customer"):
        living(world, given["customer"])
    if given.get("off_session") and not given.get("confirm"):
        raise Problem("You cannot set `off_session` without also setting `confirm` to `true`.", param="off_session")
    if given.get("setup_future_usage") and given.get("off_session"):
        raise Problem("You cannot use `setup_future_usage` together with `off_session`.", param="setup_future_usage")


def _body(given: Body) -> Body:
    return {
        "amount": given["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        **attempts.methods_wanted(given),
        "application": None,
        "application_fee_amount": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": given.get("capture_method", "automatic"),
        "client_secret": None,
        "confirmation_method": given.get("confirmation_method", "automatic"),
        "currency": given["currency"],
        "customer": given.get("customer"),
        "description": given.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "metadata": changed_metadata({}, given.get("metadata", {})),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}},
        "payment_record": None,
        "processing": None,
        "receipt_email": given.get("receipt_email"),
        "review": None,
        "setup_future_usage": given.get("setup_future_usage") or None,
        "shipping": _shipping(given.get("shipping")),
        "source": None,
        "statement_descriptor": given.get("statement_descriptor"),
        "statement_descriptor_suffix": given.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": given.get("transfer_group"),
    }  # fmt: skip


def _shipping(given: Body | None) -> Body | None:
    if not given:
        return None
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")) | given["address"]
    return {"carrier": None, "phone": None, "tracking_number": None} | given | {"address": address}


def of(world: World, call: Call) -> Body:
    """The intent of the address; with a publishable key only with its client secret. Raises Problem."""
    found = world.need("payment_intent", call.path["id"], param="intent", in_path=True)
    attempts.judge_secret(found, call)
    return found


def retrieve(world: World, call: Call) -> Body:
    """GET /v1/payment_intents/{id}"""
    return of(world, call)


def update(world: World, call: Call) -> Body:
    """POST /v1/payment_intents/{id}"""
    found = of(world, call)
    given = call.params
    if found["status"] not in OPEN and given.keys() - {"metadata", "description", "transfer_group"}:
        raise wrong_state(
            "payment_intent",
            f"This PaymentIntent's could not be updated because it has a status of {found['status']}. You may only update a "
            "PaymentIntent with one of the following statuses: requires_payment_method, requires_confirmation, requires_action.",
            {"payment_intent": attempts.shown(found)},
        )
    _judge(world, {"amount": found["amount"], "currency": found["currency"]} | given)
    for name in (
        "amount",
        "currency",
        "customer",
        "description",
        "receipt_email",
        "setup_future_usage",
        "transfer_group",
    ):
        if name in given:
            found[name] = given[name] or None
    if "shipping" in given:
        found["shipping"] = _shipping(given["shipping"] or None)
    if "metadata" in given:
        found["metadata"] = changed_metadata(found["metadata"], given["metadata"])
    attempts.take_method(world, found, given, call)
    return world.store.change(found)


def confirm(world: World, call: Call) -> Body:
    """POST /v1/payment_intents/{id}/confirm, by us or by Stripe.js"""
    found = of(world, call)
    return attempts.confirm(world, found, call.params, call)


def capture(world: World, call: Call) -> Body:
    """POST /v1/payment_intents/{id}/capture"""
    found = of(world, call)
    if found["status"] != "requires_capture":
        raise wrong_state(
            "payment_intent",
            f"This PaymentIntent could not be captured because it has a status of {found['status']}. Only a PaymentIntent with one of "
            "the following statuses may be captured: requires_capture.",
            {"payment_intent": attempts.shown(found)},
        )
    held: int = found["amount_capturable"]
    amount = call.params.get("amount_to_capture", held)
    if not 1 <= amount <= held:
        raise Problem(
            f"Amount {amount} is more than the amount authorized {held}.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = world.need("charge", found["latest_charge"])
    charge |= {"captured": True, "amount_captured": amount}
    book(world, charge)
    world.tell("charge.captured", charge, call)
    found |= {"amount_capturable": 0, "amount_received": amount, "status": "succeeded"}
    world.tell("payment_intent.succeeded", world.store.change(found), call)
    return found


def cancel(world: World, call: Call) -> Body:
    """POST /v1/payment_intents/{id}/cancel"""
    found = of(world, call)
    if found["status"] not in (*OPEN, "requires_capture"):
        raise wrong_state(
            "payment_intent",
            f"You cannot cancel this PaymentIntent because it has a status of {found['status']}. Only a PaymentIntent with one of the "
            "following statuses may be canceled: requires_payment_method, requires_capture, requires_reauthorization, "
            "requires_confirmation, requires_action, processing.",
            {"payment_intent": attempts.shown(found)},
        )
    found |= {
        "status": "canceled",
        "canceled_at": world.now(),
        "cancellation_reason": call.params.get("cancellation_reason"),
        "amount_capturable": 0,
        "next_action": None,
    }
    world.tell("payment_intent.canceled", world.store.change(found), call)
    return found
