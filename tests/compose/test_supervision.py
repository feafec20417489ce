"""Supervision: the generated configuration is what supervisor reads, and what dies is back at once."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from supervisor.options import ServerOptions

from compose import processes, supervision
from compose.programs import BY_NAME, instances, with_needs
from compose.servers import postgres, prepared
from compose.stack import Stack
from compose.supervision import Supervisor
from compose.trouble import Trouble
from compose.up import warn_of_older_code
from tests.compose.waiting import until

pytestmark = pytest.mark.quick

PROCESSES = [program for program in with_needs([]) if program.kind == "process"]


Running = tuple[Stack, Supervisor, subprocess.Popen[bytes]]


def make_stack(root: Path) -> Stack:
    stack = Stack("mine", 3000, root)
    for folder in (stack.config, stack.logs, stack.data):
        folder.mkdir(parents=True)
    return stack


def as_supervisor_reads(stack: Stack) -> dict[str, Any]:
    options = ServerOptions()
    options.realize(["-c", str(supervision.config_file(stack))])
    return {group.name: group.process_configs[0] for group in options.process_group_configs}


@pytest.mark.parametrize("folder", ["plain", "with space", "ünïcode", "a+b=(c)&d#e"])
def test_supervisor_reads_the_commands_and_variables_that_were_meant(tmp_path: Path, folder: str) -> None:
    stack = make_stack(tmp_path / folder)
    supervision.configure(stack, instances(PROCESSES, {"bids": 2}))

    read = as_supervisor_reads(stack)

    second = read["bids-2"]
    assert shlex.split(second.command) == [sys.executable, "-m", "compose.serve", "consumers.bids"]
    assert second.environment["MARKETPLACE_ENV"] == str(stack.env_file)
    assert second.environment["MARKETPLACE_STACK"] == str(stack.folder)
    assert second.environment["WORKER_SLOT"] == "2"
    assert second.environment["INTERNAL_PORT"] == str(stack.internal_port("bids", 2))
    assert second.stdout_logfile == str(stack.logs / "bids-2.log")


def test_one_more_copy_changes_nothing_about_those_that_run(tmp_path: Path) -> None:
    stack = make_stack(tmp_path)
    supervision.configure(stack, instances(PROCESSES, {"bids": 2}))
    before = as_supervisor_reads(stack)
    supervision.configure(stack, instances(PROCESSES, {"bids": 3}))
    after = as_supervisor_reads(stack)

    assert set(after) - set(before) == {"bids-3"}
    assert all(after[name] == before[name] for name in before)


def test_servers_stop_after_their_clients(tmp_path: Path) -> None:
    priority = supervision.PRIORITY

    assert all(priority[need] < priority[program.name] for program in BY_NAME.values() for need in program.needs)


def test_a_preparation_that_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    stack = make_stack(tmp_path)

    def cut_short(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared.once(stack, "postgres", cut_short)
    built = prepared.once(stack, "postgres", lambda folder: (folder / "whole").touch())
    prepared.once(stack, "postgres", cut_short)

    assert [file.name for file in built.iterdir()] == ["whole"]


@pytest.fixture
def close_by() -> Iterator[Path]:
    """A folder with a short path: a socket's may have 107 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def running(close_by: Path) -> Iterator[Running]:
    """A supervisor with one program that sleeps and one that dies at once."""
    stack = make_stack(close_by)
    supervision.configure(stack, [])
    with supervision.config_file(stack).open("a") as config:
        for name, command in (("sleeper", "sleep 600"), ("crasher", "false")):
            config.write(f"[program:{name}]\ncommand={command}\nautorestart=true\nstartsecs=1\nstartretries=1000000\n")
            config.write(f"autostart=false\ndirectory={stack.folder}\nstdout_logfile=NONE\nredirect_stderr=true\n")
    start = [sys.executable, "-m", "compose.supervisord", "-c", str(supervision.config_file(stack))]
    env = os.environ | {supervision.STACK_VARIABLE: str(stack.folder)}
    with subprocess.Popen(start, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        supervisor = Supervisor(stack)
        until(supervisor.runs, seconds=10, what="supervisor answers")
        yield stack, supervisor, child
        child.terminate()
        child.wait(10)
        processes.end(stack)


def pid_of(supervisor: Supervisor, name: str) -> int:
    return int(supervisor.states()[name]["pid"])


def runs(supervisor: Supervisor, name: str) -> bool:
    return bool(supervisor.states()[name]["statename"] == "RUNNING")


def test_a_killed_process_is_back_within_a_tenth_of_a_second(running: Running) -> None:
    _, supervisor, _ = running
    supervisor.start("sleeper")
    until(lambda: runs(supervisor, "sleeper"), seconds=5, what="it runs")
    killed = pid_of(supervisor, "sleeper")

    os.kill(killed, signal.SIGKILL)
    took = until(lambda: pid_of(supervisor, "sleeper") not in (0, killed), seconds=5, what="it is back")

    # The stock supervisor needs up to a second; a loaded machine is allowed five times what a quiet one takes.
    assert took < 0.5


def test_one_that_dies_at_once_is_tried_again_for_ever_with_short_pauses(running: Running) -> None:
    _, supervisor, child = running
    supervisor.start("crasher")
    log = supervision.config_file(running[0]).parent.parent / "logs" / "supervisord.log"

    # 0.2 + 0.4 + 0.8 s; the stock supervisor would be at 1 + 2 + 3 s.
    took = until(lambda: log.read_text().count("spawned: 'crasher'") >= 4, seconds=10, what="four attempts")

    assert took < 4
    assert child.poll() is None


def test_what_outlives_a_killed_supervisor_is_found_and_ended(running: Running) -> None:
    stack, supervisor, child = running
    supervisor.start("sleeper")
    orphan = psutil.Process(pid_of(supervisor, "sleeper"))

    child.kill()
    child.wait()

    assert [process.pid for process in processes.of_stack(stack)] == [orphan.pid]
    assert processes.end(stack) == 1
    assert processes.of_stack(stack) == []


def test_data_of_a_postgres_that_is_gone_is_not_touched_by_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = make_stack(tmp_path)
    (stack.data / "postgres").mkdir()
    (stack.data / "postgres" / "PG_VERSION").write_text("15\n")
    newer = tmp_path / "postgresql" / "17" / "bin" / "postgres"
    newer.parent.mkdir(parents=True)
    newer.touch()
    monkeypatch.setattr(postgres, "BINARIES", tmp_path / "postgresql")

    with pytest.raises(Trouble, match="made by PostgreSQL 15, which is not installed") as told:
        postgres.command(stack)

    assert "reset" in told.value.fix


def test_a_stack_that_runs_older_code_is_said_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = make_stack(tmp_path)
    (tmp_path / "consumers").mkdir()
    (tmp_path / "consumers" / "decide.py").touch()

    class LongRunning(Supervisor):
        def states(self) -> dict[str, dict[str, Any]]:
            return {"bids-1": {"name": "bids-1", "pid": 7, "start": 1_000_000_000}}

    warn_of_older_code(stack, LongRunning(stack))

    assert "It runs older code: 1 files changed since, such as consumers/decide.py" in capsys.readouterr().out
