"""The stack as a person meets it, with real servers: starts once, says so twice, stops wholly, whatever was killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from compose import processes
from compose.settings import Settings
from compose.stack import ROOT, Stack
from compose.supervision import Supervisor
from tests import containers
from tests.compose.waiting import until

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(containers.CHOSEN, reason="TEST_STACK=containers: no compose/local here"),
]

TRIAL = Stack("trial", 20_000)


def local(*arguments: str, stack: str = TRIAL.name) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "compose" / "local"), "--stack", stack, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ(), timeout=120, check=False)


def environ() -> dict[str, str]:
    return os.environ | {"MARKETPLACE_PORT_OFFSET": str(TRIAL.offset)}


@pytest.fixture
def trial() -> Iterator[Stack]:
    """A stack of the test's own, with Redis alone, stopped and removed afterwards."""
    yield TRIAL
    local("down")
    shutil.rmtree(TRIAL.folder, ignore_errors=True)


def redis_pid(stack: Stack) -> int:
    return int(Supervisor(stack).states()["redis"]["pid"])


def test_a_second_up_of_the_whole_stack_says_that_it_runs_and_where(stack: Settings) -> None:
    name = Path(os.environ["MARKETPLACE_ENV"]).parent.name

    said = local("up", stack=name)

    assert (said.returncode, said.stderr) == (0, "")
    assert f"Stack '{name}' is already running" in said.stdout
    assert str(stack.public_url).rstrip("/") in said.stdout


def test_the_whole_stack_is_ready_and_healthy(stack: Settings) -> None:
    name = Path(os.environ["MARKETPLACE_ENV"]).parent.name

    said = local("status", stack=name)

    assert said.returncode == 0, said.stdout
    assert str(stack.postgres_port) in said.stdout


def test_up_twice_then_down_leaves_nothing(trial: Stack) -> None:
    first = local("up", "redis")
    pid = redis_pid(trial)
    second = local("up", "redis")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "redis            ready after" in first.stdout
    assert "already running, 1 programs ready" in second.stdout
    assert redis_pid(trial) == pid

    down = local("down")

    assert "is stopped." in down.stdout
    assert processes.of_stack(trial) == []
    assert "was not running" in local("down").stdout


def test_data_and_secrets_outlive_down_and_not_reset(trial: Stack) -> None:
    local("up", "redis")
    secrets = trial.env_file.read_text()
    local("down")
    local("up", "redis")

    assert trial.env_file.read_text() == secrets

    said = local("reset")

    assert said.returncode == 0, said.stderr
    assert not trial.folder.exists()


def test_down_finds_what_a_killed_supervisor_left(trial: Stack) -> None:
    local("up", "redis")
    orphan = psutil.Process(redis_pid(trial))
    psutil.Process(int((trial.folder / "supervisord.pid").read_text())).kill()
    until(lambda: not Supervisor(trial).runs(), seconds=5, what="supervisor is gone")
    assert orphan.is_running()

    said = local("down")

    assert "1 orphans ended" in said.stdout
    assert not orphan.is_running()


def test_up_goes_on_after_a_killed_supervisor(trial: Stack) -> None:
    local("up", "redis")
    psutil.Process(int((trial.folder / "supervisord.pid").read_text())).kill()
    until(lambda: not Supervisor(trial).runs(), seconds=5, what="supervisor is gone")

    said = local("up", "redis")

    assert said.returncode == 0, said.stderr
    assert "had lost their supervisor: ended" in said.stdout


def test_a_taken_port_is_told_with_its_owner_and_nothing_is_started(trial: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", trial.port("redis")))
        taken.listen()
        said = local("up", "redis")

    assert said.returncode == 2
    assert f"{trial.port('redis')} (redis) is held by pid {os.getpid()}: " in said.stderr
    assert processes.of_stack(trial) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(trial: Stack, number: signal.Signals) -> None:
    command = [sys.executable, str(ROOT / "compose" / "local"), "--stack", trial.name, "up", "kafka"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ()) as child:
        until(Supervisor(trial).runs, seconds=60, what="supervisor answers")
        child.send_signal(number)
        said, _ = child.communicate(timeout=60)

    assert child.returncode == 130
    assert "interrupted" in said
    assert processes.of_stack(trial) == []


def test_status_and_doctor_say_what_is_wrong(trial: Stack) -> None:
    local("up", "redis")
    Supervisor(trial).stop("redis")

    status, doctor = local("status"), local("doctor")

    assert (status.returncode, doctor.returncode) == (3, 1)
    assert "redis is stopped" in status.stdout
    assert "WRONG  processes: redis is stopped" in doctor.stdout


def test_logs_shows_the_end_of_a_programs_log(trial: Stack) -> None:
    local("up", "redis")

    assert "Ready to accept connections" in local("logs", "redis").stdout
    assert "No log of kafka yet" in local("logs", "kafka").stderr
