"""The code is formatted, linted and typed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def complaints(*command: str) -> str:
    """What a tool finds wrong in the whole tree; empty when nothing is."""
    ran = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


@pytest.mark.quick
@pytest.mark.parametrize(
    "command", [("ruff", "check", "."), ("ruff", "format", "--check", ".")], ids=["lint", "format"]
)
def test_ruff_has_nothing_to_say(command: tuple[str, ...]) -> None:
    assert complaints(*command) == ""


def test_mypy_has_nothing_to_say() -> None:
    assert complaints("mypy") == ""
