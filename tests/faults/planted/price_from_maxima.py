"""A leader's raise computes the price anew from the maxima, instead of leaving it where the bids brought it (B7, B9)."""

from tests.faults.planted import Change, run

FROM_MAXIMA = Change(
    "consumers.bids.pricing",
    "        price, maximum = lead.price, max(maximum, lead.maximum)\n",
    "        price, maximum = min(maximum, minimum_next(lead, terms)), max(maximum, lead.maximum)\n",
)

if __name__ == "__main__":
    run(FROM_MAXIMA)
