"""Which events of an order are one side's business alone; every other is both sides'."""

OF_THE_SELLER = frozenset(
    {"PayoutHeld", "PayoutStarted", "PayoutSent", "PayoutFailed", "PayoutReversed", "ReversalStarted", "ReversalFailed"}
)
OF_THE_BUYER = frozenset({"PaymentDeclined", "PaymentActionRequired"})
OF_NOBODY = frozenset({"ProviderFeeKnown"})
