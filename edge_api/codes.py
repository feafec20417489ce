"""Every code that a problem may carry: its HTTP status and its title, in one place (RULES.md section 12, API.md)."""

from typing import NamedTuple


class Code(NamedTuple):
    """What a code means to a client."""

    status: int
    title: str


CODES: dict[str, Code] = {
    # The request itself.
    "malformed_json": Code(400, "The body is not the JSON we take"),
    "bad_request": Code(400, "The request cannot be read"),
    "request_timeout": Code(408, "The body did not come in time"),
    "body_too_large": Code(413, "The body is too large"),
    "unsupported_media_type": Code(415, "The body must be application/json"),
    "invalid_request": Code(422, "A field is not valid"),
    "cursor_expired": Code(410, "The list was left too long"),
    "route_not_found": Code(404, "There is no such address"),
    "method_not_allowed": Code(405, "The address does not take this method"),
    "rate_limited": Code(429, "Too many requests"),
    # Who asks.
    "login_required": Code(401, "Log in first"),
    "invalid_token": Code(401, "The token is not valid"),
    "token_expired": Code(401, "The token has expired"),
    "token_revoked": Code(401, "The token is revoked"),
    "token_reused": Code(401, "The refresh token was used before; the session is over"),
    "session_ended": Code(401, "The session is over"),
    "invalid_credentials": Code(401, "E-mail or password is wrong"),
    "too_many_attempts": Code(429, "Too many attempts"),
    "account_suspended": Code(403, "The account is suspended"),
    "not_allowed": Code(403, "Not allowed"),
    "forbidden": Code(403, "Not allowed"),
    "email_not_verified": Code(403, "The e-mail address is not confirmed yet"),
    # People.
    "email_taken": Code(409, "The e-mail address has an account"),
    "username_taken": Code(409, "The username is taken"),
    "user_not_found": Code(404, "There is no such user"),
    "not_found": Code(404, "There is no such thing"),
    "own_account": Code(403, "Not on the own account"),
    "not_a_seller": Code(409, "Only sellers can be followed"),
    "account_exists": Code(409, "The account exists"),
    # Auctions (RULES.md).
    "auction_not_found": Code(404, "There is no such auction"),
    "auction_exists": Code(409, "The auction exists"),
    "auction_draft": Code(409, "The auction is a draft"),
    "auction_not_started": Code(409, "The auction has not started"),
    "auction_started": Code(409, "The auction has started"),
    "auction_ended": Code(410, "The auction is over"),
    "auction_cancelled": Code(410, "The auction is cancelled"),
    "has_bids": Code(409, "Bids stand"),
    "invalid_config": Code(422, "The offer breaks a rule"),
    "invalid_command": Code(422, "No such thing can be asked of an auction"),
    "invalid_amount": Code(422, "The amount is not valid"),
    "invalid_reserve": Code(422, "The reserve is not valid"),
    "amount_above_maximum": Code(422, "The amount is above the maximum"),
    "currency_mismatch": Code(422, "The auction has another currency"),
    "below_start_price": Code(409, "The bid is below the start price"),
    "below_minimum": Code(409, "The bid is below the minimum"),
    "not_above_own_maximum": Code(409, "The bid does not raise the own maximum"),
    "confirmation_required": Code(409, "Such a high bid needs a confirmation"),
    "bidding_limit_exceeded": Code(403, "The bid is above the account's limit"),
    "own_auction": Code(403, "Not on the own auction"),
    "bidder_blocked": Code(403, "The seller blocked this bidder"),
    "buy_now_unavailable": Code(409, "Buy It Now is not available"),
    "nothing_to_retract": Code(409, "No bid stands"),
    "reason_required": Code(422, "A reason is needed"),
    "too_late_to_retract": Code(409, "It is too late to retract"),
    "too_late_to_lower": Code(409, "It is too late to lower the reserve"),
    "reserve_already_met": Code(409, "The reserve is met"),
    "seller_cancelled_bids_recently": Code(409, "The seller cancelled bids less than 12 hours ago"),
    "has_qualifying_bid": Code(409, "A bid qualifies"),
    "no_qualifying_bid": Code(409, "No bid qualifies"),
    "too_many_strikes": Code(403, "The seller takes no bids from accounts with so many unpaid items"),
    # Orders and payments.
    "order_not_found": Code(404, "There is no such order"),
    "payment_not_found": Code(404, "There is no such payment"),
    "method_not_found": Code(404, "There is no such payment method"),
    "no_invoice": Code(404, "There is no invoice yet"),
    "not_the_buyer": Code(403, "Only the buyer may do this"),
    "not_the_seller": Code(403, "Only the seller may do this"),
    "not_a_party": Code(403, "Only buyer and seller may do this"),
    "wrong_amount": Code(409, "The amount is not the order's total"),
    "currency_not_supported": Code(422, "The currency cannot be paid in"),
    "country_not_supported": Code(422, "Sellers of this country cannot be paid out"),
    "not_payable": Code(409, "The order cannot be paid now"),
    "already_paid": Code(409, "The order is paid"),
    "address_missing": Code(409, "The order has no address to ship to"),
    "pay_window_over": Code(410, "The time to pay is over"),
    "payment_refused": Code(409, "The payment provider refused"),
    "card_declined": Code(402, "The card was declined"),
    "wrong_state": Code(409, "The order does not stand where this could be done"),
    "refund_too_large": Code(409, "More than is left of the payment"),
    "nothing_to_refund": Code(409, "Nothing is left to refund"),
    "not_completed": Code(409, "Only what has arrived, and is not contested, is rated"),
    "already_rated": Code(409, "Rated already"),
    "already_disputed": Code(409, "Disputed already"),
    "not_disputed": Code(409, "Nothing is disputed"),
    "too_late_to_dispute": Code(410, "It is too late to dispute"),
    "offer_expired": Code(410, "The offer is over"),
    "no_next_bidder": Code(409, "There is nobody to offer it to"),
    "already_offered": Code(409, "Offered already"),
    "reserve_not_said": Code(422, "The reserve must be said again"),
    "relist_impossible": Code(409, "The auction cannot be offered again now"),
    # Providers and our own processes.
    "invalid_signature": Code(400, "The webhook's signature is not valid"),
    "wrong_mode": Code(400, "The event is of another mode"),
    "service_token_required": Code(401, "A service token is needed"),
    # Videos.
    "video_not_found": Code(404, "There is no such video"),
    "not_video_owner": Code(403, "The video is somebody else's"),
    "picture_not_found": Code(404, "There is no such picture"),
    "video_exists": Code(409, "The video exists"),
    "too_large": Code(413, "The file is too large"),
    "too_many_uploads": Code(429, "Too many unfinished uploads"),
    "upload_incomplete": Code(409, "The file has not arrived yet"),
    "upload_closed": Code(409, "The upload is over"),
    "upload_failed": Code(409, "The file could not be used"),
    "video_not_ready": Code(409, "The video cannot be played"),
    # Watching.
    "video_withdrawn": Code(410, "The video was withdrawn"),
    "quality_not_available": Code(404, "The video has no such quality"),
    "stream_expired": Code(410, "The address is no longer good"),
    "too_many_marked": Code(429, "Too many marked renditions"),
    "auction_not_ended": Code(409, "The auction is not over"),
    # Commands.
    "idempotency_conflict": Code(409, "The Idempotency-Key was used for another request"),
    "deadline_passed": Code(409, "The command came too late to be judged"),
    "refused": Code(409, "Refused"),
    "command_not_found": Code(404, "There is no such command"),
    # Us.
    "internal_error": Code(500, "Something went wrong on our side"),
    "service_unavailable": Code(503, "Not available for the moment"),
}

ANY_ROUTE = ("rate_limited", "internal_error", "service_unavailable")
"""Codes that every route may answer with."""

WITH_BODY = ("malformed_json", "body_too_large", "unsupported_media_type", "invalid_request", "request_timeout")
SIGNED_IN = ("login_required", "invalid_token", "token_expired", "token_revoked", "account_suspended")
COMMAND = ("idempotency_conflict", "deadline_passed", "invalid_request")


def status_of(code: str) -> int:
    """The HTTP status of a refusal; 409 for a code that a newer worker made up."""
    return CODES.get(code, CODES["refused"]).status
