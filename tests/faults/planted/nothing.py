"""No bug at all: the control of every scene."""

from tests.faults.planted import run

if __name__ == "__main__":
    run()
