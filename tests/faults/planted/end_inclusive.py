"""A bid at the very end still counts."""

from tests.faults.planted import Change, run

INCLUSIVE = Change(
    "consumers.bids.decide", "if auction.start <= at < auction.end:", "if auction.start <= at <= auction.end:"
)

if __name__ == "__main__":
    run(INCLUSIVE)
