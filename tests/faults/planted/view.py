"""No bug: bid-views as it is, on a stage's topics."""

from tests.faults.planted import run

if __name__ == "__main__":
    run(program="consumers.bids.views")
