"""The parts of the suite that run beside each other: what they said is shown, their exit code counts, none is left behind."""

import os
import sys
from pathlib import Path

import pytest

from compose.testing import Terminated, _Beside
from tests.compose.waiting import until

pytestmark = pytest.mark.quick

CLEANS_UP = """
import signal, sys
def end(*_):
    print("cleaned up", flush=True)
    sys.exit(2)
signal.signal(signal.SIGINT, end)
print("begun", flush=True)
while True:
    signal.pause()
"""


def beside(program: str, folder: Path) -> _Beside:
    return _Beside("own", [sys.executable, "-c", program], dict(os.environ), folder)


def test_what_it_said_is_shown_at_its_end_and_its_exit_code_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with beside("import sys; print('one failed'); sys.exit(1)", tmp_path) as one:
        assert one.end() == 1

    assert "part 'own':\none failed" in capsys.readouterr().out


@pytest.mark.parametrize("interruption", [Terminated, ValueError])
def test_it_is_ended_with_time_to_clean_up_when_the_run_is_cut_short(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    log = tmp_path / "tests-own.log"

    def cut_short() -> None:
        with beside(CLEANS_UP, tmp_path):
            until(lambda: "begun" in log.read_text(), seconds=10, what="it runs")
            raise interruption

    with pytest.raises(interruption):
        cut_short()
    assert log.read_text() == "begun\ncleaned up\n"
