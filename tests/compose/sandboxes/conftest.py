"""The stand-in that these tests speak to."""

from collections.abc import Iterator

import pytest

from tests.compose.sandboxes.standin import Standin, running


@pytest.fixture(scope="session")
def _standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with running(tmp_path_factory.mktemp("sendgrid")) as standin:
        yield standin


@pytest.fixture
def standin(_standin: Standin) -> Standin:
    """A stand-in without mail and without faults."""
    _standin.forget()
    return _standin
