"""Sellers' accounts: made by the platform, filled in by their owner on a page, paid when that is done."""

from typing import Literal

from compose.sandboxes.stripe.parameters import changed_metadata
from compose.sandboxes.stripe.problems import Problem, no_such
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World, token

LINK_S = 300
"""So long an onboarding page may be opened, once."""
Outcome = Literal["complete", "needs_document", "rejected"]

_FIRST = ["business_profile.mcc", "business_profile.url", "business_type", "external_account", "representative.first_name", "representative.last_name", "tos_acceptance.date", "tos_acceptance.ip"]  # fmt: skip
_CURRENCY = {"US": "usd", "GB": "gbp", "JP": "jpy", "CH": "chf", "CA": "cad", "AU": "aud", "SE": "sek"}


def create(world: World, call: Call) -> Body:
    """POST /v1/accounts"""
    given = call.params
    kind = given.get("type", "standard")
    country = given.get("country", "US")
    if len(country) != 2 or not country.isupper():
        raise Problem(
            f"Country '{country}' is unknown. Try using a 2-character alphanumeric country code instead, such as 'US', 'EG', or 'GB'.",
            param="country",
        )
    wanted = [name for name, one in (given.get("capabilities") or {}).items() if one.get("requested")]
    if kind == "express" and not wanted:
        wanted = ["card_payments", "transfers"]
    made = world.add("account", "acct", _body(given, kind, country, wanted))
    world.store.change(made)
    return made


def _body(given: Body, kind: str, country: str, wanted: list[str]) -> Body:
    return {
        "business_profile": {"mcc": None, "name": None, "product_description": None, "url": None, "support_email": None} | (given.get("business_profile") or {}),
        "business_type": given.get("business_type"),
        "capabilities": dict.fromkeys(wanted, "inactive"),
        "charges_enabled": False,
        "controller": {"fees": {"payer": "application_express"}, "is_controller": True, "losses": {"payments": "application"}, "requirement_collection": "stripe", "stripe_dashboard": {"type": kind}, "type": "application"},
        "country": country,
        "default_currency": _CURRENCY.get(country, "eur"),
        "details_submitted": False,
        "email": given.get("email"),
        "external_accounts": {"object": "list", "data": [], "has_more": False, "url": "/v1/accounts/external_accounts"},
        "future_requirements": _requirements([]),
        "metadata": changed_metadata({}, given.get("metadata", {})),
        "payouts_enabled": False,
        "requirements": _requirements(_FIRST, "requirements.past_due"),
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {"decline_on": {"avs_failure": False, "cvc_failure": False}, "statement_descriptor_prefix": None},
            "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": None},
            "payouts": {"debit_negative_balances": True, "schedule": {"delay_days": 2, "interval": "daily"}, "statement_descriptor": None},
        },
        "tos_acceptance": {"date": None},
        "type": kind,
    }  # fmt: skip


def _requirements(due: list[str], reason: str | None = None) -> Body:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": reason,
        "errors": [],
        "eventually_due": due,
        "past_due": due if reason else [],
        "pending_verification": [],
    }


def living(world: World, account_id: str, *, param: str = "account", in_path: bool = False) -> Body:
    """The account, if it was not deleted; raises Problem."""
    found = world.store.get("account", account_id)
    if found is None or found.get("deleted"):
        if in_path:
            raise Problem(
                f"The provided key does not have access to account '{account_id}' (or that account does not exist). Application access may have been revoked.",
                status=403,
                code="account_invalid",
            )
        raise no_such(param, account_id, param, status=400)
    return found


def retrieve(world: World, call: Call) -> Body:
    """GET /v1/accounts/{id}"""
    return living(world, call.path["id"], in_path=True)


def update(world: World, call: Call) -> Body:
    """POST /v1/accounts/{id}"""
    found = retrieve(world, call)
    for name in ("email", "business_type"):
        if name in call.params:
            found[name] = call.params[name] or None
    for name, one in (call.params.get("capabilities") or {}).items():
        if one.get("requested"):
            found["capabilities"].setdefault(name, "active" if found["details_submitted"] else "inactive")
    if "metadata" in call.params:
        found["metadata"] = changed_metadata(found["metadata"], call.params["metadata"])
    world.tell("account.updated", world.store.change(found), call, owner=found["id"])
    return found


def delete(world: World, call: Call) -> Body:
    """DELETE /v1/accounts/{id}: only one without money."""
    found = retrieve(world, call)
    if any(sum(money) for money in world.balance(found["id"]).values()):
        raise Problem("This account can't be deleted because it has a balance.")
    gone = {"id": found["id"], "object": "account", "deleted": True}
    found.clear()
    found.update(gone)
    return world.store.change(found)


def link(world: World, call: Call) -> Body:
    """POST /v1/account_links: a page for the owner, once and for five minutes."""
    given = call.params
    account = living(world, given["account"])
    if given["type"] == "account_update" and account["type"] != "custom":
        raise Problem("You cannot create `account_update` type Account Links for this account.", param="type")
    for name in ("refresh_url", "return_url"):
        if not given.get(name, "").startswith(("http://", "https://")):
            raise Problem(
                f"You must provide a valid `{name}`.",
                param=name,
                code="url_invalid" if given.get(name) else "parameter_missing",
            )
    made = world.add(
        "_link",
        "alnk",
        {"account": account["id"], "expires_at": world.now() + LINK_S, "used": False, "return_url": given["return_url"], "refresh_url": given["refresh_url"], "code": token(20)},
    )  # fmt: skip
    return {
        "object": "account_link",
        "created": made["created"],
        "expires_at": made["expires_at"],
        "url": f"{call.base_url}/setup/e/{made['id']}/{made['code']}",
    }


def login_link(_world: World, call: Call) -> Body:
    """POST /v1/accounts/{id}/login_links"""
    account = living(_world, call.path["id"], in_path=True)
    if account["type"] != "express" or not account["details_submitted"]:
        raise Problem("Cannot create a login link for an account that has not completed onboarding.")
    return {
        "object": "login_link",
        "created": _world.now(),
        "url": f"{call.base_url}/express/{account['id']}/{token(16)}",
    }


def onboard(world: World, account: Body, outcome: Outcome) -> Body:
    """What comes of the owner's answers: all is well, a document is wanted, or the account is refused."""
    fine = outcome == "complete"
    due = ["individual.verification.document"] if outcome == "needs_document" else []
    reason = {"complete": None, "needs_document": "requirements.past_due", "rejected": "rejected.other"}[outcome]
    account |= {
        "details_submitted": True,
        "charges_enabled": fine,
        "payouts_enabled": fine,
        "capabilities": dict.fromkeys(account["capabilities"], "active" if fine else "inactive"),
        "requirements": _requirements(due, reason),
        "tos_acceptance": {"date": world.now()},
        "business_type": account["business_type"] or "individual",
    }
    world.tell("account.updated", world.store.change(account), None, owner=account["id"])
    return account
