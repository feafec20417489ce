"""No bug either: without its unique indexes the log is still kept right, by the fence and the memory of outcomes."""

from tests.faults.planted import LOOSE_LOG, run

if __name__ == "__main__":
    run(*LOOSE_LOG)
