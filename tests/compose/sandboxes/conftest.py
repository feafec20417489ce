"""The stand-ins that these tests speak to."""

from collections.abc import Iterator

import pytest

from tests.compose.sandboxes.standin import Standin, running
from tests.compose.sandboxes.stripe_standin import StripeStandin
from tests.compose.sandboxes.stripe_standin import running as stripe_standin_running


@pytest.fixture(scope="session")
def _standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with running(tmp_path_factory.mktemp("sendgrid")) as standin:
        yield standin


@pytest.fixture
def standin(_standin: Standin) -> Standin:
    """A stand-in without mail and without faults."""
    _standin.forget()
    return _standin


@pytest.fixture(scope="session")
def _stripe_standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeStandin]:
    with stripe_standin_running(tmp_path_factory.mktemp("stripe")) as standin:
        yield standin


@pytest.fixture
def stripe_standin(_stripe_standin: StripeStandin) -> StripeStandin:
    """A Stripe at which nothing has happened yet."""
    _stripe_standin.forget()
    return _stripe_standin
