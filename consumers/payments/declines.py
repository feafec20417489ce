"""Why a card was declined, in words for the person who pays (Stripe: Declines, Decline codes; Error codes)."""

from typing import NamedTuple

_ASK_BANK = "Your bank declined this payment. Please contact your bank, or pay with another card."
_OTHER_CARD = "This card cannot be used here. Please pay with another card."
_TRY_LATER = "The payment could not be processed just now. Please try again in a few minutes."
_CHECK_NUMBER = "The card number is not right. Please check it and try again."
_CHECK_CODE = "The security code is not right. Please check it and try again."
_CHECK_DATE = "The expiry date is not right. Please check it and try again."
_CHECK_ADDRESS = "The billing address does not match the card. Please check it and try again."
_PIN = "This card needs a PIN, which cannot be given here. Please pay with another card."

GENERIC = "generic_decline"

WORDS: dict[str, str] = {
    GENERIC: _ASK_BANK,
    "approve_with_id": "Your bank could not authorise this payment. Please try again, then contact your bank.",
    "authentication_required": "Your bank asks you to confirm this payment. Please pay again and confirm it.",
    "authentication_not_handled": "Your bank asks you to confirm this payment. Please pay again and confirm it.",
    "payment_intent_authentication_failure": "The payment was not confirmed with your bank. Please try again.",
    "setup_intent_authentication_failure": "The card was not confirmed with your bank. Please try again.",
    "call_issuer": _ASK_BANK,
    "card_declined": _ASK_BANK,
    "card_not_supported": _OTHER_CARD,
    "card_velocity_exceeded": "The card is over its limit. Please pay with another card, or contact your bank.",
    "currency_not_supported": "This card cannot pay in this currency. Please pay with another card.",
    "do_not_honor": _ASK_BANK,
    "do_not_try_again": _ASK_BANK,
    "duplicate_transaction": "The same amount was paid with this card a moment ago. Please check before you try again.",
    "expired_card": "This card has expired. Please pay with another card.",
    "incorrect_address": _CHECK_ADDRESS,
    "incorrect_cvc": _CHECK_CODE,
    "incorrect_number": _CHECK_NUMBER,
    "incorrect_pin": _PIN,
    "incorrect_zip": "The postal code does not match the card. Please check it and try again.",
    "insufficient_funds": "There is not enough money on this card. Please pay with another card.",
    "invalid_account": _ASK_BANK,
    "invalid_amount": "Your bank does not allow this amount. Please contact your bank, or pay with another card.",
    "invalid_cvc": _CHECK_CODE,
    "invalid_expiry_month": _CHECK_DATE,
    "invalid_expiry_year": _CHECK_DATE,
    "invalid_number": _CHECK_NUMBER,
    "invalid_pin": _PIN,
    "issuer_not_available": "Your bank could not be reached. Please try again in a few minutes.",
    "new_account_information_available": _ASK_BANK,
    "no_action_taken": _ASK_BANK,
    "not_permitted": _ASK_BANK,
    "offline_pin_required": _PIN,
    "online_or_offline_pin_required": _PIN,
    "pin_try_exceeded": "The PIN of this card was wrong too often. Please pay with another card.",
    "processing_error": _TRY_LATER,
    "reenter_transaction": _TRY_LATER,
    "revocation_of_all_authorizations": _ASK_BANK,
    "revocation_of_authorization": _ASK_BANK,
    "security_violation": _ASK_BANK,
    "service_not_allowed": _ASK_BANK,
    "stop_payment_order": _ASK_BANK,
    "testmode_decline": "This is a test card, which pays nothing. Please pay with a real card.",
    "transaction_not_allowed": _ASK_BANK,
    "try_again_later": _TRY_LATER,
    "withdrawal_count_limit_exceeded": "The card is over its limit. Please pay with another card.",
}
"""What a person is told, by decline code or error code."""

KEPT_TO_OURSELVES = frozenset(
    {"fraudulent", "lost_card", "stolen_card", "merchant_blacklist", "pickup_card", "restricted_card"}
)
"""Codes that Stripe asks to show as an ordinary decline: who holds a stolen card must not learn that we know."""


class Decline(NamedTuple):
    """What we tell of a declined card: a code that may be shown and stored, and words for its holder."""

    code: str
    words: str


def decline(code: str | None, decline_code: str | None) -> Decline:
    """The decline that Stripe's error `code` and `decline_code` mean; an unknown one is an ordinary decline."""
    found = decline_code or code or GENERIC
    if found in KEPT_TO_OURSELVES or found not in WORDS:
        found = GENERIC
    return Decline(found, WORDS[found])
