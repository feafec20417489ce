"""Transfers to sellers' accounts, and their reversals."""

from compose.sandboxes.stripe.accounts import living
from compose.sandboxes.stripe.currencies import known_currency, words
from compose.sandboxes.stripe.parameters import changed_metadata
from compose.sandboxes.stripe.problems import Problem, missing
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World, as_list, new_id


def create(world: World, call: Call) -> Body:
    """POST /v1/transfers"""
    given = call.params
    currency = known_currency(given["currency"])
    account = _destination(world, given["destination"])
    if "amount" not in given:
        raise missing("amount")
    if given["amount"] < 1:
        raise Problem(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    source = _source(world, given, currency)
    if source is None and world.balance().get(currency, (0, 0))[0] < given["amount"]:
        raise Problem(
            "You have insufficient available funds in your Stripe account. Try adding funds directly to your available balance by "
            "creating Charges using the 4000000000000077 test card. See: https://stripe.com/docs/testing#available-balance",
            code="balance_insufficient",
        )
    made = world.add("transfer", "tr", _body(given, currency))
    made["reversals"] = as_list([], f"/v1/transfers/{made['id']}/reversals")
    available = world.need("balance_transaction", source["balance_transaction"])["available_on"] if source else None
    row = world.move("transfer", -given["amount"], currency, source=made["id"], available_on=available)
    made["balance_transaction"] = row["id"]
    world.move(
        "payment",
        given["amount"],
        currency,
        source=made["destination_payment"],
        owner=account["id"],
        available_on=available,
    )
    world.tell("transfer.created", world.store.change(made), call)
    return made


def _destination(world: World, account_id: str) -> Body:
    account = living(world, account_id, param="destination")
    if account["capabilities"].get("transfers") != "active":
        raise Problem(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, crypto_transfers, "
            "legacy_payments",
            code="insufficient_capabilities_for_transfer",
        )
    return account


def _source(world: World, given: Body, currency: str) -> Body | None:
    if "source_transaction" not in given:
        return None
    charge = world.need("charge", given["source_transaction"], param="source_transaction")
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise Problem("The charge given as source_transaction has not succeeded.", param="source_transaction")
    if charge["currency"] != currency:
        raise Problem(
            f"The currency of source_transaction's balance transaction ({charge['currency']}) must be the same as the transfer currency "
            f"({currency})",
            param="currency",
        )
    if given.get("transfer_group", charge["transfer_group"]) != charge["transfer_group"]:
        raise Problem("The transfer_group must be that of the source_transaction.", param="transfer_group")
    used = sum(one["amount"] for one in world.store.newest("transfer") if one["source_transaction"] == charge["id"])
    if used + given["amount"] > charge["amount_captured"]:
        raise Problem(
            f"Transfers using this transaction as a source must not exceed the source amount of {words(charge['amount_captured'], currency)}. "
            f"(There is already a transfer using this source, amounting to {words(used, currency)}.)",
            param="amount",
        )
    given.setdefault("transfer_group", charge["transfer_group"])
    return charge


def _body(given: Body, currency: str) -> Body:
    return {
        "amount": given["amount"],
        "amount_reversed": 0,
        "balance_transaction": None,
        "currency": currency,
        "description": given.get("description"),
        "destination": given["destination"],
        "destination_payment": new_id("py"),
        "metadata": changed_metadata({}, given.get("metadata", {})),
        "reversals": None,
        "reversed": False,
        "source_transaction": given.get("source_transaction"),
        "source_type": "card",
        "transfer_group": given.get("transfer_group"),
    }


def retrieve(world: World, call: Call) -> Body:
    """GET /v1/transfers/{id}"""
    return world.need("transfer", call.path["id"], in_path=True)


def update(world: World, call: Call) -> Body:
    """POST /v1/transfers/{id}"""
    found = retrieve(world, call)
    if "metadata" in call.params:
        found["metadata"] = changed_metadata(found["metadata"], call.params["metadata"])
    found["description"] = call.params.get("description", found["description"])
    world.tell("transfer.updated", world.store.change(found), call)
    return found


def reverse(world: World, call: Call) -> Body:
    """POST /v1/transfers/{id}/reversals: the platform is liable for the account, which may go below zero."""
    found = retrieve(world, call)
    left = found["amount"] - found["amount_reversed"]
    amount = call.params.get("amount", left)
    if left == 0:
        raise Problem(f"Transfer {found['id']} is already fully reversed.")
    if not 1 <= amount <= left:
        of = found["currency"]
        raise Problem(
            f"Reversal amount ({words(amount, of)}) is greater than unreversed amount on transfer ({words(left, of)})",
            param="amount",
        )
    made = world.add(
        "transfer_reversal",
        "trr",
        {
            "amount": amount,
            "balance_transaction": None,
            "currency": found["currency"],
            "destination_payment_refund": new_id("pyr"),
            "metadata": changed_metadata({}, call.params.get("metadata", {})),
            "source_refund": None,
            "transfer": found["id"],
        },
    )
    row = world.move("transfer_refund", amount, found["currency"], source=made["id"])
    made["balance_transaction"] = row["id"]
    world.move(
        "payment_refund",
        -amount,
        found["currency"],
        source=made["destination_payment_refund"],
        owner=found["destination"],
    )
    found["amount_reversed"] += amount
    found["reversed"] = found["amount_reversed"] == found["amount"]
    found["reversals"]["data"].insert(0, dict(made))
    world.store.change(made)
    world.tell(
        "transfer.reversed",
        world.store.change(found),
        call,
        before={"amount_reversed": found["amount_reversed"] - amount},
    )
    return made


def reversal(world: World, call: Call) -> Body:
    """GET /v1/transfers/{id}/reversals/{reversal}"""
    return world.need("transfer_reversal", call.path["reversal"], in_path=True)
