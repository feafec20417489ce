"""`test`: the whole suite on a stack of its own, which always stops afterwards; `demo`: the main job on the main stack."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from compose import envfile, install
from compose.down import stop
from compose.stack import ROOT, Stack, alone, find
from compose.supervision import Supervisor
from compose.up import up

TEST_STACK = "test"
STARTED_BY_TESTS = ("faults",)  # they stop it themselves, unless they are interrupted
CLEAN_UP_S_MAX = 30
LAST = "19"
"""The niceness that takes only what nobody else wants of the cores."""
KEPT = {"PYTHONDONTWRITEBYTECODE": ""}
"""What was compiled is kept, whatever the shell says: pytest compiles every test for itself."""
# A test that waits for ever ends the run with everybody's stack traces instead of holding it.
NEVER_HANG = ("-o", "faulthandler_timeout=300", "-o", "faulthandler_exit_on_timeout=true")


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: to be treated as Ctrl-C is."""


def terminate(_signal: int, _frame: object) -> None:
    """The handler of those signals."""
    raise Terminated


def test(rest: list[str]) -> int:
    """Runs pytest with the given arguments; `quick` first: only what needs no server. Returns pytest's exit code."""
    if rest[:1] == ["quick"]:
        return run_to_its_end(_pytest("-m", "quick", "-n", str(os.cpu_count()), *rest[1:]), _without_servers())
    stack = find(TEST_STACK, {})
    with alone(ROOT / ".local" / "test.lock", "the tests"):
        started_by_tests = [one for one in (find(name, {}) for name in STARTED_BY_TESTS) if not Supervisor(one).runs()]
        if Supervisor(stack).runs():
            print("A test stack of an earlier run is still up: stopping it.")
        stop(stack)
        shutil.rmtree(stack.folder, ignore_errors=True)
        try:
            up(stack, [], step=_step("test", 1))
            print(f"{_step('test', 2)} Tests", flush=True)
            env = envfile.environment(stack, os.environ) | KEPT
            return run_to_its_end(_pytest(*rest), env) if rest else _all(env, stack.logs)
        finally:
            for one in (stack, *started_by_tests):
                stop(one)
            print(f"The test stack is stopped; its logs stay in {stack.logs} until the next run.")


def demo(stack: Stack, rest: list[str]) -> int:
    """Starts the stack if it is not up, runs the demo on it, leaves it running. Returns the demo's exit code."""
    up(stack, [], step=_step("demo", 1))
    print(f"{_step('demo', 2)} Demo", flush=True)
    env = envfile.environment(stack, os.environ) | {"MARKETPLACE_STACK_NAME": stack.name}
    # The demo runs in the checkout, wherever the person who names a file is.
    named = [str(Path(word).resolve()) if before == "--video" else word for before, word in pairwise(["", *rest])]
    code = run_to_its_end([sys.executable, "-m", "producers.demo", *named], env)
    print(f"The stack '{stack.name}' keeps running; `{stack.command} down` stops it.")
    return code


def _all(env: dict[str, str], logs: Path) -> int:
    """Every test, in three parts at a time: those on the stack, those with processes of their own, those without servers.

    Each waits more than it works, but for the last, which takes what the others leave of the cores. What the others say
    is shown at the end. Returns the first exit code of pytest that is not 0.
    """
    with ExitStack() as until_all_end:
        beside = [
            until_all_end.enter_context(_Beside("own", _pytest("--part", "own"), env, logs)),
            until_all_end.enter_context(
                _Beside("none", ["nice", "-n", LAST, *_pytest("--part", "none")], _without_servers(), logs)
            ),
        ]
        codes = [run_to_its_end(_pytest("--part", "stack"), env)]
        codes += [one.end() for one in beside]
    return next((code for code in codes if code), 0)


class _Beside:
    """A part of the tests that runs in the background, and says at its end what it would have said meanwhile."""

    def __init__(self, part: str, command: list[str], env: dict[str, str], logs: Path) -> None:
        self._part = part
        self._log = logs / f"tests-{part}.log"
        with self._log.open("wb") as output:
            self._running = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)

    def __enter__(self) -> "_Beside":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._running.poll() is None:
            # Ctrl-C reached it too: a second time would cut short how it cleans up.
            if kind is not KeyboardInterrupt:
                self._running.send_signal(signal.SIGINT)
            try:
                self._running.wait(CLEAN_UP_S_MAX)
            except subprocess.TimeoutExpired:
                self._running.kill()
                self._running.wait()

    def end(self) -> int:
        """Wait for its end, show what it said, and return its exit code."""
        code = self._running.wait()
        print(f"Tests, part '{self._part}':\n{self._log.read_text(errors='replace')}", flush=True)
        return code


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *NEVER_HANG, *arguments]


def _without_servers() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MARKETPLACE_ENV"} | KEPT


def run_to_its_end(command: list[str], env: dict[str, str]) -> int:
    """Runs it in the checkout; interrupted, gives it time to clean up after itself before the interruption goes on."""
    with subprocess.Popen(command, cwd=ROOT, env=env) as child:
        try:
            return child.wait()
        except KeyboardInterrupt as interruption:
            # Ctrl-C reached the child too; a signal sent to us alone did not.
            if isinstance(interruption, Terminated):
                child.send_signal(signal.SIGINT)
            try:
                child.wait(CLEAN_UP_S_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
            raise


def _step(command: str, own: int) -> str:
    wanted = install.needs(command, [])
    return f"[{install.steps_of(wanted) + own}/{install.total(command, wanted)}]"
