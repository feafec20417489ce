"""Of two equal maxima the later one leads."""

from tests.faults.planted import Change, run

LATER = Change("consumers.bids.pricing", "    elif maximum > lead.maximum:\n", "    elif maximum >= lead.maximum:\n")

if __name__ == "__main__":
    run(LATER)
