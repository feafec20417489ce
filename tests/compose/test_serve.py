"""A module is served as Python would run it, without what it never uses."""

import subprocess
import sys
from pathlib import Path

import pytest

from compose.stack import ROOT

pytestmark = pytest.mark.quick

SAYS = """
import sys
try:
    import rich
except ImportError:
    rich = None
print(__name__, sys.argv, sys.modules["__main__"].__dict__ is globals(), rich)
sys.exit(7)
"""


def served(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compose.serve", *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_module_runs_as_main_with_its_own_arguments_and_exit_code(tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(SAYS)

    ran = served(tmp_path, "says", "--loud", "twice")

    assert ran.stdout.split(" ", 1)[0] == "__main__"
    assert f"['{tmp_path / 'says.py'}', '--loud', 'twice'] True None" in ran.stdout
    assert ran.returncode == 7


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = served(tmp_path, "nowhere")

    assert ran.returncode == 1
    assert "nowhere" in ran.stderr.splitlines()[-1]


def test_who_names_no_module_is_told_how(tmp_path: Path) -> None:
    ran = served(tmp_path)

    assert (ran.returncode, ran.stderr) == (1, "usage: python -m compose.serve MODULE [ARGUMENT...]\n")
