"""The script itself: starts with any Python 3, says which one it needs, shows its commands."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from compose import machine, maven
from compose.arguments import COMMANDS, parse
from compose.stack import ROOT, Stack, alone, replace
from compose.status import age
from compose.trouble import Trouble
from compose.up import not_ready

pytestmark = pytest.mark.quick

SCRIPT = ROOT / "compose" / "local"
AS_OLD_PYTHON = """
import runpy, sys
sys.version_info = (3, 9, 2, "final", 0)
sys.argv = [sys.argv[1], "up"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def local(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin"} | environ
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, env=env, check=False)


def test_any_python_3_can_read_the_script() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 4))


def test_it_is_executable() -> None:
    assert SCRIPT.stat().st_mode & 0o111


def test_an_old_python_is_told_which_one_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-c", AS_OLD_PYTHON, str(SCRIPT)]
    said = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)}, check=False)

    assert said.returncode == 2
    assert "Python 3.11 or newer is needed; this is 3.9" in said.stderr
    assert "apt-get install -y python3.11" in said.stderr


def test_an_old_python_gives_way_to_a_newer_one_on_the_path(tmp_path: Path) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text('#!/bin/sh\necho "newer runs: $@"\n')
    newer.chmod(0o755)
    command = [sys.executable, "-c", AS_OLD_PYTHON, str(SCRIPT)]

    said = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)}, check=False)

    assert said.stdout == f"newer runs: {SCRIPT} up\n"


def test_the_first_half_needs_nothing_but_the_standard_library() -> None:
    program = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import compose.entry\n"
        "names = {name.split('.')[0] for name in sys.modules} - {'compose', '__main__'}\n"
        "print(sorted(names - sys.stdlib_module_names))"
    )
    # -I and -S: no site-packages, so nothing that is not the standard library's can be found by accident.
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT)], capture_output=True, text=True, check=False
    )

    assert (said.stdout, said.stderr) == ("[]\n", "")


def test_help_lists_every_command() -> None:
    said = local("--help")

    assert said.returncode == 0
    assert all(command in said.stdout for command in COMMANDS)


def test_an_unknown_command_is_refused_with_the_usage() -> None:
    said = local("start")

    assert said.returncode == 2
    assert "usage: compose/local" in said.stderr


def test_an_unknown_stack_is_answered_before_anything_is_installed() -> None:
    said = local("--stack", "nobody-knows-me", "up")

    assert said.returncode == 2
    assert "MARKETPLACE_PORT_OFFSET=" in said.stderr


def test_what_follows_the_command_is_its_own() -> None:
    asked = parse(["--stack", "mine", "test", "-k", "bid", "--stack"])

    assert (asked.stack, asked.command, asked.rest) == ("mine", "test", ["-k", "bid", "--stack"])


def test_too_little_memory_is_said_in_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1 << 30}))

    with pytest.raises(Trouble, match=r"Too little memory: 1\.0 GB are free, 2 GB are needed") as told:
        machine.refuse_small_machine(tmp_path)

    assert told.value.code == 2


def test_too_little_disk_is_said_with_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1 << 29}))

    with pytest.raises(Trouble, match=rf"Too little disk space at {tmp_path}: 0\.5 GB"):
        machine.refuse_small_machine(tmp_path)


def test_another_users_stack_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stack = Stack("mine", 3000, tmp_path)
    stack.folder.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)

    with pytest.raises(Trouble, match="made by another user"):
        machine.refuse_not_ours(stack)


def test_what_did_not_get_ready_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    stack = Stack("mine", 3000, tmp_path)
    stack.logs.mkdir(parents=True)
    (stack.logs / "bids-1.log").write_text("".join(f"line {number}\n" for number in range(40)))

    text = not_ready(stack, "bids-1", "does not answer on port 10560 yet")

    assert text.startswith("bids-1 did not get ready: it does not answer on port 10560 yet\n    | line 25\n")
    assert text.endswith("| line 39")


def test_two_commands_do_not_change_one_stack_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    with (
        alone(lock, "the stack 'mine'"),
        pytest.raises(Trouble, match="busy with the stack 'mine'"),
        alone(lock, "the stack 'mine'"),
    ):
        pass


def test_a_file_is_replaced_whole_even_over_the_rest_of_an_interrupted_write(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("old")
    (tmp_path / "env.partial").write_text("half")

    replace(path, "new", mode=0o600)

    assert [file.name for file in tmp_path.iterdir()] == ["env"]
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("seconds", "said"), [(None, ""), (0, "0 s"), (61, "1 min"), (7300, "2 h"), (200_000, "2 d")])
def test_ages_read_as_people_say_them(seconds: float | None, said: str) -> None:
    assert age(seconds) == said


def test_the_sums_can_be_written_anew_from_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in maven.PARTS:
        (tmp_path / part).mkdir()
    (tmp_path / "kafka" / "a.jar").write_bytes(b"")
    monkeypatch.setattr(maven, "LIBRARY", Path(tmp_path))

    assert maven.lock() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  kafka/a.jar\n"
