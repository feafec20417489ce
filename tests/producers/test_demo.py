"""The demo: what it takes for granted of the stack on which it runs."""

import pytest

from compose.settings import Settings
from compose.stack import find
from compose.supervision import Supervisor
from compose.testing import TEST_STACK
from producers.demo import DemoFailed, worker_of

pytestmark = pytest.mark.stack


def test_it_finds_the_worker_that_it_kills(stack: Settings) -> None:
    states = Supervisor(find(TEST_STACK, {})).states()

    assert worker_of(stack).pid in {int(state["pid"]) for name, state in states.items() if name.startswith("bids-")}


def test_it_kills_no_other_stacks_worker(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPLACE_ENV", "/nowhere")

    with pytest.raises(DemoFailed, match=r"no process of `consumers\.bids`"):
        worker_of(stack)
