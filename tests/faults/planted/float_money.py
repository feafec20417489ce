"""Amounts are printed by way of binary floating point."""

from tests.faults.planted import Change, run

BY_FLOAT = Change("consumers.bids.told", 'Raw(b"%d.%02d" % divmod(minor, 100))', "Raw(repr(minor * 0.01).encode())")

if __name__ == "__main__":
    run(BY_FLOAT)
