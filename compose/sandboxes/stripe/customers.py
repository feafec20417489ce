"""Customers, and the payment methods that they keep."""

import hashlib

from compose.sandboxes.stripe import cards
from compose.sandboxes.stripe.parameters import changed_metadata
from compose.sandboxes.stripe.problems import Problem, invalid, missing, no_such
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World, token


def create(world: World, call: Call) -> Body:
    """POST /v1/customers"""
    given = call.params
    made = world.add(
        "customer",
        "cus",
        {
            "address": given.get("address"),
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": given.get("description"),
            "discount": None,
            "email": given.get("email") or None,
            "invoice_prefix": token(8).upper(),
            "invoice_settings": {
                "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
            },
            "metadata": changed_metadata({}, given.get("metadata", {})),
            "name": given.get("name") or None,
            "next_invoice_sequence": 1,
            "phone": given.get("phone") or None,
            "preferred_locales": [],
            "shipping": given.get("shipping"),
            "tax_exempt": "none",
            "test_clock": None,
        },
    )  # fmt: skip
    world.tell("customer.created", made, call)
    return made


def retrieve(world: World, call: Call) -> Body:
    """GET /v1/customers/{id}: a deleted one is said to be so."""
    return world.need("customer", call.path["id"], in_path=True)


def update(world: World, call: Call) -> Body:
    """POST /v1/customers/{id}"""
    found = living(world, call.path["id"], in_path=True)
    for name in ("address", "description", "email", "name", "phone", "shipping"):
        if name in call.params:
            found[name] = call.params[name] or None
    if "metadata" in call.params:
        found["metadata"] = changed_metadata(found["metadata"], call.params["metadata"])
    world.tell("customer.updated", world.store.change(found), call)
    return found


def delete(world: World, call: Call) -> Body:
    """DELETE /v1/customers/{id}: his payment methods go with him."""
    found = living(world, call.path["id"], in_path=True)
    for method in kept(world, found["id"]):
        method["customer"] = None
        method["_spent"] = True
        world.store.change(method)
    world.tell("customer.deleted", found, call)
    gone = {"id": found["id"], "object": "customer", "deleted": True}
    found.clear()
    found.update(gone)
    return world.store.change(found)


def living(world: World, customer_id: str, *, in_path: bool = False) -> Body:
    """The customer, if he was not deleted; raises Problem."""
    found = world.need("customer", customer_id, param="id" if in_path else "customer", in_path=in_path)
    if found.get("deleted"):
        raise no_such("customer", customer_id, "id" if in_path else "customer", status=404 if in_path else 400)
    return found


def kept(world: World, customer_id: str) -> list[Body]:
    """A customer's payment methods, newest first."""
    return [method for method in world.store.newest("payment_method") if method["customer"] == customer_id]


def create_method(world: World, call: Call) -> Body:
    """POST /v1/payment_methods, as Stripe.js calls it."""
    if call.params["type"] != "card":
        raise invalid("This stand-in knows payment methods of type card only.", "type")
    return new_method(world, call.params, call)


def new_method(world: World, data: Body, call: Call) -> Body:
    """A payment method from `{type: card, card: {token | number, ...}, billing_details}`."""
    card = data.get("card")
    if not isinstance(card, dict):
        raise missing("card")
    given = card.get("token") or card.get("number")
    if given is None:
        raise missing("card[number]")
    if "number" in card and not call.is_public:
        raise Problem(
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens that map to "
            "the test card you are using, see https://stripe.com/docs/testing.",
            status=402,
            type="card_error",
            code="card_declined",
        )
    name = cards.name_of(given)
    if name is None:
        raise Problem(
            "Your card number is incorrect.", status=402, type="card_error", code="incorrect_number", param="number"
        )
    return of_card(world, name, billing=data.get("billing_details"))


def of_card(world: World, name: str, *, billing: Body | None = None) -> Body:
    """A new payment method with a test card."""
    card = cards.card_of(name)
    last4 = card.number[-4:]
    return world.add(
        "payment_method",
        "pm",
        {
            "allow_redisplay": "unspecified",
            "billing_details": {"address": _NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}
            | (billing or {}),
            "card": {
                "brand": card.brand,
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": card.country,
                "display_brand": card.brand,
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
                "funding": "debit" if name == "visa_debit" else "credit",
                "generated_from": None,
                "last4": last4,
                "networks": {"available": [card.brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "customer": None,
            "metadata": {},
            "type": "card",
            "_card": name,
            "_confirmed": False,
            "_spent": False,
        },
    )


_NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


def method(world: World, given: str, *, param: str = "payment_method", in_path: bool = False) -> Body:
    """The payment method of that id; a `pm_card_...` is a new one with that test card. Raises Problem."""
    if given.startswith("pm_card_"):
        name = cards.name_of(given)
        if name is not None:
            return of_card(world, name)
    return world.need("payment_method", given, param=param, in_path=in_path)


def attach(world: World, call: Call) -> Body:
    """POST /v1/payment_methods/{id}/attach"""
    if "customer" not in call.params:
        raise missing("customer")
    found = method(world, call.path["id"], in_path=True)
    return attached(world, found, living(world, call.params["customer"])["id"], call)


def attached(world: World, found: Body, customer_id: str, call: Call | None) -> Body:
    """The payment method, kept by a customer; raises Problem when it is another's or was given up."""
    if found["customer"] == customer_id:
        return found
    if found["customer"] is not None:
        raise Problem(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    if found["_spent"]:
        raise Problem(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may "
            "not be used again.",
        )
    card = cards.card_of(found["_card"])
    if not card.attaches and card.refusal is not None:
        raise declined(card.refusal)
    found["customer"] = customer_id
    world.tell("payment_method.attached", world.store.change(found), call)
    return found


def declined(refusal: cards.Refusal, more: Body | None = None) -> Problem:
    """Stripe's 402 of a declined card."""
    more = ({"decline_code": refusal.decline_code} if refusal.decline_code is not None else {}) | (more or {})
    param = {"incorrect_cvc": "cvc", "expired_card": "exp_month", "incorrect_number": "number"}.get(refusal.code)
    return Problem(refusal.message, status=402, type="card_error", code=refusal.code, param=param, more=more)


def detach(world: World, call: Call) -> Body:
    """POST /v1/payment_methods/{id}/detach"""
    found = world.need("payment_method", call.path["id"], in_path=True)
    if found["customer"] is None:
        raise Problem(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
        )
    was = found["customer"]
    found["customer"], found["_spent"] = None, True
    world.tell("payment_method.detached", world.store.change(found), call, before={"customer": was})
    return found
