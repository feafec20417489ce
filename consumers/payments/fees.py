"""What a sale costs whom: tax, our fees, the seller's proceeds. Amounts in hundredths; halves are rounded up.

An order keeps the schedule that it was opened under, so nothing here changes for it when the settings change.
"""

from typing import NamedTuple

from consumers.payments.units import WHOLE_ONLY, ZERO_DECIMAL
from schemas.payments import Terms

BPS = 10_000


class Split(NamedTuple):
    """How the buyer's amount is shared: amount = proceeds + commission + tax."""

    tax: int
    amount: int
    commission: int
    proceeds: int


def split(*, hammer: int, shipping: int, currency: str, terms: Terms) -> Split:
    """Share a sale by its schedule: a part of the hammer price, and the payment fee on all that the buyer pays."""
    unit = 100 if currency in ZERO_DECIMAL or currency in WHOLE_ONLY else 1
    tax = part(hammer + shipping, terms.tax_bps, BPS, unit=unit)
    amount = hammer + shipping + tax
    payment_fee = part(amount, terms.payment_bps, BPS, unit=unit) + part(terms.payment_fixed, 1, 1, unit=unit)
    # A sale of a few cents cannot cost more than it brings.
    commission = min(part(hammer, terms.hammer_bps, BPS, unit=unit) + payment_fee, hammer + shipping)
    return Split(tax, amount, commission, hammer + shipping - commission)


def part(amount: int, numerator: int, denominator: int, *, unit: int = 1) -> int:
    """`amount` x numerator / denominator, rounded half up to whole units."""
    of = denominator * unit
    return (2 * amount * numerator + of) // (2 * of) * unit


def share_of(returned: int, *, captured: int, whole: int) -> int:
    """How much of `whole` goes with what was returned of the capture: all of it when all is returned.

    Asked of the running total, so that many small refunds take exactly what one large one would.
    """
    return part(whole, returned, captured) if captured else 0
