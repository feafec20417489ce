"""A bid that beats the leader needs no full step above the price."""

from tests.faults.planted import Change, run

ANY_STEP = Change(
    "consumers.bids.bidding",
    "        minimum = minimum_next(lead, terms)\n",
    "        minimum = minimum_next(lead, terms) if lead is None else lead.price + 1\n",
)

if __name__ == "__main__":
    run(ANY_STEP)
