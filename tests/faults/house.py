"""The stack `faults`: started for these tests alone, its processes looked at, killed, stopped and waited for by name."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from compose import envfile, readiness
from compose.programs import Instance, instances, with_needs
from compose.settings import Settings
from compose.stack import ROOT, Stack, find
from compose.supervision import Supervisor
from consumers.runtime.faultpoints import POINTS

NAME = "faults"
ACTIONS = ("error", "stop", "kill")
HEALTHY_WITHIN_S = 60.0
NO_LIMITS = {
    "LIMIT_PER_ADDRESS_PER_HOUR": "10000000",
    "LIMIT_PER_USER_PER_MINUTE": "10000000",
    "LIMIT_LOGIN_PER_MINUTE": "10000000",
}


async def until(holds: Callable[[], Awaitable[Any]], *, within_s: float, what: str) -> Any:
    """Ask until the answer is true and return it; fails when that takes too long."""
    give_up_at = time.monotonic() + within_s
    while not (found := await holds()):
        assert time.monotonic() < give_up_at, f"not within {within_s:.0f} s: {what}"
        await asyncio.sleep(0.05)
    return found


class House:
    """The stack, and what may be done to it."""

    def __init__(self) -> None:
        self.stack: Stack = find(NAME, {})
        self.supervisor = Supervisor(self.stack)

    def trigger(self, point: str, action: str) -> Path:
        """The file that, once it is there, lets this happen to the worker that passes the point next, and is gone."""
        return self.stack.folder / "now" / f"{point}-{action}"

    def command(self, *words: str) -> None:
        """Run a command of compose/local on the stack; fails with what it says.

        The supervisor that `up` starts hands the fault points on to every process.
        """
        environ = {name: value for name, value in os.environ.items() if name != "MARKETPLACE_ENV"}
        environ["FAULT_POINTS"] = ",".join(
            f"{point}={action}:{self.trigger(point, action)}" for point in POINTS for action in ACTIONS
        )
        done = subprocess.run(
            [ROOT / "compose" / "local", "--stack", NAME, *words],
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def begin(self) -> None:
        """Start from nothing: no data of earlier runs, no limits of requests, only servers and topics."""
        self.command("reset")
        (self.stack.folder / "now").mkdir(parents=True)
        text = "".join(f"{name}={value}\n" for name, value in NO_LIMITS.items())
        self.stack.env_file.write_text(text)
        self.command("up", "postgres", "redis", "kafka", "topics")

    @property
    def settings(self) -> Settings:
        """As the operator's commands have them."""
        return Settings(_env_file=self.stack.env_file)

    @property
    def _instances(self) -> list[Instance]:
        known = self.stack.remembered()
        return instances(with_needs(known["programs"]), known.get("scale", {}))

    def pid(self, name: str) -> int:
        """The process of a program's copy, such as `bids-1`."""
        pid: int = self.supervisor.states()[name]["pid"]
        assert pid, f"{name} does not run"
        return pid

    def process(self, name: str, pid: int | None = None) -> psutil.Process:
        """What does a program's work, by its process or the one it has now: Elasticsearch is the child of what starts it."""
        process = psutil.Process(pid or self.pid(name))
        return [*process.children(), process][0] if name == "elasticsearch" else process

    def send(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a program's process and return its id; a killed PostgreSQL leaves no child behind."""
        process = self.process(name)
        process.send_signal(number)
        return process.pid

    def unready(self) -> dict[str, str]:
        """What is not ready, and why."""
        env, states = envfile.read(self.stack.env_file), self.supervisor.states()
        reasons = {one.name: readiness.missing(self.stack, env, one, states[one.name]) for one in self._instances}
        return {name: reason for name, reason in reasons.items() if reason}

    async def healthy(self) -> None:
        """Wait until everything is ready again, by itself."""
        give_up_at = time.monotonic() + HEALTHY_WITHIN_S
        while unready := await asyncio.to_thread(self.unready):
            assert time.monotonic() < give_up_at, f"not healthy within {HEALTHY_WITHIN_S:.0f} s: {unready}"
            await asyncio.sleep(0.2)
