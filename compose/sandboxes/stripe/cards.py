"""Stripe's test cards: what each does when it is charged (Stripe: Testing; Declines, Decline codes)."""

from dataclasses import dataclass
from typing import Literal

Challenge = Literal["never", "unless_kept", "always"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decline: Stripe's error code, the bank's decline code, and words."""

    code: str
    decline_code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class TestCard:
    """One test card. `attaches`: whether it can be kept at all; `disputed`: the dispute that follows its charge by itself."""

    number: str
    brand: str = "visa"
    refusal: Refusal | None = None
    attaches: bool = True
    challenge: Challenge = "never"
    disputed: Literal["fraudulent", "product_not_received", "inquiry"] | None = None
    available_at_once: bool = False
    refund_fails: bool = False
    refund_waits: bool = False
    country: str = "US"


def _declined(decline_code: str) -> Refusal:
    return Refusal("card_declined", decline_code, "Your card was declined.")


_FUNDS = Refusal("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_EXPIRED = Refusal("expired_card", None, "Your card has expired.")
_CVC = Refusal("incorrect_cvc", None, "Your card's security code is incorrect.")
_PROCESSING = Refusal(
    "processing_error", None, "An error occurred while processing your card. Try again in a little bit."
)
_NUMBER = Refusal("incorrect_number", None, "Your card number is incorrect.")

CARDS: dict[str, TestCard] = {
    "visa": TestCard("4242424242424242"),
    "visa_debit": TestCard("4000056655665556"),
    "mastercard": TestCard("5555555555554444", "mastercard"),
    "amex": TestCard("378282246310005", "amex"),
    "discover": TestCard("6011111111111117", "discover"),
    "jcb": TestCard("3566002020360505", "jcb"),
    "br": TestCard("4000000760000002", country="BR"),
    "de": TestCard("4000002760000016", country="DE"),
    "gb": TestCard("4000008260000000", country="GB"),
    "jp": TestCard("4000003920000003", country="JP"),
    "bypassPending": TestCard("4000000000000077", available_at_once=True),
    "chargeDeclined": TestCard("4000000000000002", refusal=_declined("generic_decline"), attaches=False),
    "chargeDeclinedInsufficientFunds": TestCard("4000000000009995", refusal=_FUNDS, attaches=False),
    "chargeDeclinedLostCard": TestCard("4000000000009987", refusal=_declined("lost_card"), attaches=False),
    "chargeDeclinedStolenCard": TestCard("4000000000009979", refusal=_declined("stolen_card"), attaches=False),
    "chargeDeclinedExpiredCard": TestCard("4000000000000069", refusal=_EXPIRED, attaches=False),
    "chargeDeclinedIncorrectCvc": TestCard("4000000000000127", refusal=_CVC, attaches=False),
    "chargeDeclinedProcessingError": TestCard("4000000000000119", refusal=_PROCESSING, attaches=False),
    "chargeDeclinedFraudulent": TestCard("4100000000000019", refusal=_declined("fraudulent"), attaches=False),
    "chargeDeclinedVelocityLimitExceeded": TestCard(
        "4000000000006975", refusal=_declined("card_velocity_exceeded"), attaches=False
    ),
    "chargeDeclinedIncorrectNumber": TestCard("4242424242424241", refusal=_NUMBER, attaches=False),
    "chargeCustomerFail": TestCard("4000000000000341", refusal=_declined("generic_decline")),
    "radarBlock": TestCard("4100000000000019", refusal=_declined("fraudulent"), attaches=False),
    "authenticationRequired": TestCard("4000002760003184", challenge="always"),
    "authenticationRequiredOnSetup": TestCard("4000002500003155", challenge="unless_kept"),
    "threeDSecure2Required": TestCard("4000000000003220", challenge="always"),
    "threeDSecureRequired": TestCard("4000000000003063", challenge="always"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": TestCard(
        "4000008260003178", challenge="always", refusal=_FUNDS
    ),
    "createDispute": TestCard("4000000000000259", disputed="fraudulent"),
    "createDisputeProductNotReceived": TestCard("4000000000002685", disputed="product_not_received"),
    "createDisputeInquiry": TestCard("4000000000001976", disputed="inquiry"),
    "refundFail": TestCard("4000000000005126", refund_fails=True),
    "pendingRefund": TestCard("4000000000007726", refund_waits=True),
}
"""By the part of `pm_card_...` and `tok_...` that names them."""

DECLINE_CODES = (
    "approve_with_id", "authentication_required", "call_issuer", "card_not_supported", "card_velocity_exceeded",
    "currency_not_supported", "do_not_honor", "do_not_try_again", "duplicate_transaction", "expired_card", "fraudulent",
    "generic_decline", "incorrect_address", "incorrect_cvc", "incorrect_number", "incorrect_pin", "incorrect_zip",
    "insufficient_funds", "invalid_account", "invalid_amount", "invalid_cvc", "invalid_expiry_month",
    "invalid_expiry_year", "invalid_number", "invalid_pin", "issuer_not_available", "lost_card", "merchant_blacklist",
    "new_account_information_available", "no_action_taken", "not_permitted", "offline_pin_required",
    "online_or_offline_pin_required", "pickup_card", "pin_try_exceeded", "processing_error", "reenter_transaction",
    "restricted_card", "revocation_of_all_authorizations", "revocation_of_authorization", "security_violation",
    "service_not_allowed", "stolen_card", "stop_payment_order", "testmode_decline", "transaction_not_allowed",
    "try_again_later", "withdrawal_count_limit_exceeded",
)  # fmt: skip
"""Every decline code that a bank may give. `pm_card_declined_CODE`, a card that only the stand-in has, is declined with it."""

_BY_NUMBER = {card.number: name for name, card in reversed(CARDS.items())}


def name_of(given: str) -> str | None:
    """The name of the test card that `pm_card_...`, `tok_...` or a card number means."""
    name = given.removeprefix("pm_card_").removeprefix("tok_")
    if name not in CARDS and name.startswith("visa_"):
        name = name.removeprefix("visa_")
    if name in CARDS or (name.removeprefix("declined_") in DECLINE_CODES and name.startswith("declined_")):
        return name
    return _BY_NUMBER.get(given.replace(" ", ""))


def card_of(name: str) -> TestCard:
    """The test card of that name."""
    if name in CARDS:
        return CARDS[name]
    return TestCard("4000000000000002", refusal=_declined(name.removeprefix("declined_")))
