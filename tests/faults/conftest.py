"""The house in which processes are killed: a stack of its own, from nothing, always taken down."""

from collections.abc import Iterator

import pytest

from tests.faults.house import House


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """The stack `faults` with its servers and topics; programs are started by those who need them."""
    house = House()
    try:
        house.begin()
        yield house
    finally:
        house.command("down")
