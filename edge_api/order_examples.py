"""One good example of everything that is sent and answered about orders and payments, for OpenAPI."""

from typing import Any

_MINA, _ANNA = "01923f6e-7a3b-7c11-9f52-3d2a8b7c1e10", "01923f6e-8c02-7d41-8a10-5b7e6f3a2c44"
_AUCTION, _ORDER, _PAYMENT = (
    "01923f70-1d5c-7e22-9c3b-1a2b3c4d5e6f",
    "0c8d3b6a-54f0-5d0e-8d0e-4b7a2c9f1e55",
    "9a1f4c3e-2b7d-5a66-9e21-7c5d3f8b0a12",
)
_SOLD, _PAID, _SENT = "2026-03-01T19:00:00.120Z", "2026-03-01T19:04:31.900Z", "2026-03-02T09:12:00.000Z"
_ADDRESS = {
    "name": "Anna Liddell",
    "line1": "Linzer Gasse 4",
    "city": "Salzburg",
    "postalCode": "5020",
    "country": "AT",
}
_DONE = {"code": "shipped", "orderId": _ORDER, "status": "shipped"}
_ORDER_SHOWN: dict[str, Any] = {
    "id": _ORDER,
    "auctionId": _AUCTION,
    "title": "Voigtländer lens, 1938",
    "role": "buyer",
    "offerNumber": 0,
    "status": "shipped",
    "buyer": {"id": _ANNA, "username": "anna", "avatarUrl": None, "sellerRating": None},
    "seller": {"id": _MINA, "username": "mina", "avatarUrl": None, "sellerRating": 4.86},
    "price": 210.0,
    "shippingCost": 12.5,
    "tax": 0.0,
    "total": 222.5,
    "refunded": 0.0,
    "currency": "USD",
    "paymentId": _PAYMENT,
    "shippingAddress": _ADDRESS,
    "carrier": "Post",
    "trackingNumber": "RR123456785AT",
    "problem": None,
    "createdAt": _SOLD,
    "payBy": "2026-03-05T19:00:00.120Z",
    "offerExpiresAt": None,
    "paidAt": _PAID,
    "shippedAt": _SENT,
    "deliveredAt": None,
    "completedAt": None,
    "ratings": {"byBuyer": None, "bySeller": None},
    "seq": 4,
}

ORDER_EXAMPLES: dict[str, Any] = {
    # What is sent.
    "CreateIntentRequest": {"auctionId": _AUCTION, "amount": 222.5, "currency": "USD", "shippingInfo": _ADDRESS},
    "StripeEvent": {
        "id": "evt_1P0000000000000000000001",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": 1772391871,
        "livemode": False,
        "data": {"object": {"id": "pi_1P0000000000000000000001", "object": "payment_intent", "status": "succeeded"}},
    },
    "PostalAddress": _ADDRESS,
    "RefundOrder": {"amount": 20.0, "reason": "not_as_described"},
    "StartOnboarding": {"country": "AT"},
    "SetAutomaticPayment": {"enabled": True},
    "ChargeSavedMethod": {"paymentMethodId": "pm_1P0000000000000000000001"},
    "CancelOrder": {"reason": "It broke on the way to the post office."},
    "LiftStrike": {"reason": "The bank had closed his card."},
    "ShipOrderRequest": {"carrier": "Post", "trackingNumber": "RR123456785AT"},
    "RateOrder": {"stars": 5, "comment": "Well packed, as described."},
    "DisputeOrder": {"reason": "damaged", "detail": "The front glass is broken."},
    "CloseCase": {"inFavourOf": "seller"},
    "OfferSecondChance": {"days": 3},
    "RelistAuction": {"startingPrice": 90.0, "duration": 86400},
    # What is answered.
    "Received": {"received": True},
    "IntentAnswer": {
        "paymentId": _PAYMENT,
        "clientSecret": "pi_1P0000000000000000000001_secret_hJtXIZ2uSN5kbQfbtTNWbpdm",
        "amount": 222.5,
        "currency": "USD",
        "status": "requires_payment_method",
        "orderId": _ORDER,
    },
    "Payment": {
        "paymentId": _PAYMENT,
        "orderId": _ORDER,
        "amount": 222.5,
        "currency": "USD",
        "status": "requires_payment_method",
        "refunded": 0.0,
        "failureCode": "insufficient_funds",
        "failureMessage": "There is not enough money on this card. Please pay with another card.",
        "createdAt": _SOLD,
    },
    "OrderDone": _DONE,
    "Order": {
        **_ORDER_SHOWN,
        "history": [
            {"seq": 1, "event": "OrderCreated", "at": _SOLD, "by": "platform", "data": {"amount": 222.5}},
            {"seq": 3, "event": "OrderPaid", "at": _PAID, "by": "provider", "data": {"amount": 222.5}},
            {"seq": 4, "event": "OrderShipped", "at": _SENT, "by": "seller", "data": {"carrier": "Post"}},
        ],
    },
    "Orders": {"items": [_ORDER_SHOWN], "nextCursor": None},
    "PaymentMethods": {
        "items": [
            {
                "id": "pm_1P0000000000000000000001",
                "brand": "visa",
                "last4": "4242",
                "expMonth": 12,
                "expYear": 2030,
                "isDefault": True,
            }
        ],
        "automatic": False,
    },
    "SetupAnswer": {"clientSecret": "seti_1P0000000000000000000001_secret_hJtXIZ2uSN5kbQfbtTNWbpdm"},
    "AutomaticPayment": {"code": "automatic_payment_set", "enabled": True},
    "OnboardingLink": {
        "url": "https://connect.stripe.com/setup/e/acct_1P00/x",
        "expiresAt": "2026-03-01T19:09:31.900Z",
    },
    "PayoutAccount": {
        "status": "pending",
        "detailsSubmitted": False,
        "chargesEnabled": False,
        "payoutsEnabled": False,
        "requirements": ["external_account"],
    },
    "Invoice": {"number": "2026-B-0000042", "document": {"total": 222.5, "currency": "USD"}},
}
