"""What tests of producers ask for."""

from tests.consumers.bids.conftest import talk

__all__ = ["talk"]
