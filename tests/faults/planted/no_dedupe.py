"""A command that comes twice is decided twice."""

from tests.faults.planted import LOOSE_LOG, Change, run

ALL_NEW = Change(
    "consumers.runtime.ledger",
    "sift(batch, self._tools.outcomes) if self._inbox.commands else all_fresh(batch)",
    "all_fresh(batch)",
)

if __name__ == "__main__":
    run(ALL_NEW, *LOOSE_LOG)
