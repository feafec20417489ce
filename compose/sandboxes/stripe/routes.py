"""Stripe's addresses: which operation each has, which parameters it takes, and whether Stripe.js may call it."""

from typing import NamedTuple

from stripe import params

from compose.sandboxes.stripe import (
    accounts,
    customers,
    disputes,
    endpoints,
    intents,
    lists,
    refunds,
    setups,
    transfers,
)
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, Operation, World

OF_STRIPE_JS = frozenset({"client_secret"})
OF_2023 = frozenset({"payment_method_types"})


class Address(NamedTuple):
    """One address of the API; `also` are parameters beside those of the SDK's type: Stripe.js sends them, or the version asked for has them."""

    method: str
    path: str
    does: Operation
    takes: type | None
    is_public: bool = False
    also: frozenset[str] = frozenset()


def read(kind: str, *, owned: bool = False) -> Operation:
    """The operation that gives one object by its id."""

    def retrieve(world: World, call: Call) -> Body:
        return world.need(kind, call.path["id"], in_path=True, owner=call.account if owned else None)

    return retrieve


def balance(world: World, call: Call) -> Body:
    """GET /v1/balance"""
    money = world.balance(call.account)
    default = {"usd": (0, 0)}

    def part(place: int) -> list[Body]:
        return [
            {"amount": sums[place], "currency": currency, "source_types": {"card": sums[place]}}
            for currency, sums in (money or default).items()
        ]

    return {"object": "balance", "available": part(0), "pending": part(1), "livemode": False}


ADDRESSES: tuple[Address, ...] = (
    Address("POST", "/v1/customers", customers.create, params.CustomerCreateParams),
    Address("GET", "/v1/customers", lists.customers, params.CustomerListParams),
    Address("GET", "/v1/customers/{id}", customers.retrieve, params.CustomerRetrieveParams),
    Address("POST", "/v1/customers/{id}", customers.update, params.CustomerUpdateParams),
    Address("DELETE", "/v1/customers/{id}", customers.delete, None),
    Address("GET", "/v1/customers/{id}/payment_methods", lists.methods, params.CustomerPaymentMethodListParams),
    Address("POST", "/v1/payment_methods", customers.create_method, params.PaymentMethodCreateParams, is_public=True),
    Address("GET", "/v1/payment_methods", lists.methods, params.PaymentMethodListParams),
    Address("GET", "/v1/payment_methods/{id}", read("payment_method"), params.PaymentMethodRetrieveParams),
    Address("POST", "/v1/payment_methods/{id}/attach", customers.attach, params.PaymentMethodAttachParams),
    Address("POST", "/v1/payment_methods/{id}/detach", customers.detach, params.PaymentMethodDetachParams),
    Address("POST", "/v1/payment_intents", intents.create, params.PaymentIntentCreateParams, also=OF_2023),
    Address(
        "GET", "/v1/payment_intents", lists.of("payment_intent", "/v1/payment_intents"), params.PaymentIntentListParams
    ),
    Address("GET", "/v1/payment_intents/{id}", intents.retrieve, params.PaymentIntentRetrieveParams, is_public=True),
    Address("POST", "/v1/payment_intents/{id}", intents.update, params.PaymentIntentUpdateParams),
    Address(
        "POST",
        "/v1/payment_intents/{id}/confirm",
        intents.confirm,
        params.PaymentIntentConfirmParams,
        is_public=True,
        also=OF_STRIPE_JS,
    ),
    Address("POST", "/v1/payment_intents/{id}/capture", intents.capture, params.PaymentIntentCaptureParams),
    Address("POST", "/v1/payment_intents/{id}/cancel", intents.cancel, params.PaymentIntentCancelParams),
    Address("POST", "/v1/setup_intents", setups.create, params.SetupIntentCreateParams, also=OF_2023),
    Address("GET", "/v1/setup_intents", lists.of("setup_intent", "/v1/setup_intents"), params.SetupIntentListParams),
    Address("GET", "/v1/setup_intents/{id}", setups.retrieve, params.SetupIntentRetrieveParams, is_public=True),
    Address(
        "POST",
        "/v1/setup_intents/{id}/confirm",
        setups.confirm,
        params.SetupIntentConfirmParams,
        is_public=True,
        also=OF_STRIPE_JS,
    ),
    Address("POST", "/v1/setup_intents/{id}/cancel", setups.cancel, params.SetupIntentCancelParams),
    Address("GET", "/v1/charges", lists.of("charge", "/v1/charges"), params.ChargeListParams),
    Address("GET", "/v1/charges/{id}", read("charge", owned=True), params.ChargeRetrieveParams),
    Address("POST", "/v1/refunds", refunds.create, params.RefundCreateParams),
    Address("GET", "/v1/refunds", lists.of("refund", "/v1/refunds"), params.RefundListParams),
    Address("GET", "/v1/refunds/{id}", read("refund"), params.RefundRetrieveParams),
    Address("POST", "/v1/refunds/{id}", refunds.update, params.RefundUpdateParams),
    Address("GET", "/v1/disputes", lists.of("dispute", "/v1/disputes"), params.DisputeListParams),
    Address("GET", "/v1/disputes/{id}", read("dispute"), params.DisputeRetrieveParams),
    Address("POST", "/v1/disputes/{id}", disputes.update, params.DisputeUpdateParams),
    Address("POST", "/v1/disputes/{id}/close", disputes.close, params.DisputeCloseParams),
    Address("POST", "/v1/accounts", accounts.create, params.AccountCreateParams),
    Address("GET", "/v1/accounts", lists.of("account", "/v1/accounts"), params.AccountListParams),
    Address("GET", "/v1/accounts/{id}", accounts.retrieve, None, also=frozenset({"expand"})),
    Address("POST", "/v1/accounts/{id}", accounts.update, params.AccountUpdateParams),
    Address("DELETE", "/v1/accounts/{id}", accounts.delete, None),
    Address("POST", "/v1/accounts/{id}/login_links", accounts.login_link, params.AccountLoginLinkCreateParams),
    Address("POST", "/v1/account_links", accounts.link, params.AccountLinkCreateParams),
    Address("POST", "/v1/transfers", transfers.create, params.TransferCreateParams),
    Address("GET", "/v1/transfers", lists.of("transfer", "/v1/transfers"), params.TransferListParams),
    Address("GET", "/v1/transfers/{id}", transfers.retrieve, params.TransferRetrieveParams),
    Address("POST", "/v1/transfers/{id}", transfers.update, params.TransferUpdateParams),
    Address("POST", "/v1/transfers/{id}/reversals", transfers.reverse, params.TransferReversalCreateParams),
    Address("GET", "/v1/transfers/{id}/reversals", lists.reversals, params.TransferReversalListParams),
    Address(
        "GET", "/v1/transfers/{id}/reversals/{reversal}", transfers.reversal, params.TransferReversalRetrieveParams
    ),
    Address("GET", "/v1/balance", balance, params.BalanceRetrieveParams),
    Address(
        "GET",
        "/v1/balance_transactions",
        lists.of("balance_transaction", "/v1/balance_transactions"),
        params.BalanceTransactionListParams,
    ),
    Address(
        "GET",
        "/v1/balance_transactions/{id}",
        read("balance_transaction", owned=True),
        params.BalanceTransactionRetrieveParams,
    ),
    Address("GET", "/v1/events", lists.events, params.EventListParams),
    Address("GET", "/v1/events/{id}", read("event", owned=True), params.EventRetrieveParams),
    Address("POST", "/v1/webhook_endpoints", endpoints.create, params.WebhookEndpointCreateParams),
    Address(
        "GET",
        "/v1/webhook_endpoints",
        lists.of("webhook_endpoint", "/v1/webhook_endpoints"),
        params.WebhookEndpointListParams,
    ),
    Address("GET", "/v1/webhook_endpoints/{id}", read("webhook_endpoint"), params.WebhookEndpointRetrieveParams),
    Address("POST", "/v1/webhook_endpoints/{id}", endpoints.update, params.WebhookEndpointUpdateParams),
    Address("DELETE", "/v1/webhook_endpoints/{id}", endpoints.delete, None),
)
