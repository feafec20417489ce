"""Amounts as Stripe counts them: some currencies have no hundredths (Stripe: Supported currencies, Zero-decimal currencies)."""

ZERO_DECIMAL = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
"""Stripe's amount counts whole units."""
WHOLE_ONLY = frozenset({"ISK", "UGX"})
"""Stripe's amount counts hundredths, of which there must be none."""
THOUSANDTHS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Stripe's amount counts thousandths; our ledger cannot hold its fees exactly, so nothing is paid in them."""


class NotPayable(ValueError):
    """Nothing of this amount can be paid in this currency; the text says why."""


def to_stripe(amount_minor: int, currency: str) -> int:
    """Our hundredths as Stripe's amount; `currency` is ISO in capitals. Raises NotPayable."""
    if currency in THOUSANDTHS:
        raise NotPayable(f"{currency} is counted in thousandths")
    if currency in ZERO_DECIMAL or currency in WHOLE_ONLY:
        if amount_minor % 100:
            raise NotPayable(f"{currency} has no hundredths")
        return amount_minor // 100 if currency in ZERO_DECIMAL else amount_minor
    return amount_minor


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's amount as our hundredths; `currency` in any case. Raises NotPayable."""
    code = currency.upper()
    if code in THOUSANDTHS:
        raise NotPayable(f"{code} is counted in thousandths")
    return amount * 100 if code in ZERO_DECIMAL else amount
