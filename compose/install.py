"""What a command needs to be installed, and its installation: Debian packages, Python packages, Java parts."""

from dataclasses import dataclass
from pathlib import Path

from compose import apt, maven, npm, venv
from compose.progress import Steps
from compose.stack import ROOT, alone

LOGS = ROOT / ".local" / "logs"
# Steps that the command itself takes after the installation, so that all are counted from 1.
OWN_STEPS = {"up": 1, "demo": 2, "test": 2}


@dataclass(frozen=True)
class Needs:
    """What a command needs beside the Python environment, which every command needs."""

    servers: bool = False
    browser: bool = False


def needs(command: str, rest: list[str]) -> Needs:
    """What `compose/local command rest` needs."""
    if command in ("up", "demo"):
        return Needs(servers=True)
    if command == "test" and rest[:1] != ["quick"]:
        return Needs(servers=True, browser=True)
    return Needs()


@dataclass(frozen=True)
class Plan:
    """What is missing."""

    packages: list[str]
    venv: bool
    parts: list[str]
    player: bool

    @property
    def empty(self) -> bool:
        return not (self.packages or self.venv or self.parts or self.player)


def plan(wanted: Needs) -> Plan:
    """Looks at the machine and the checkout; changes nothing."""
    parts = [part for part in maven.PARTS if wanted.servers and not maven.finished(part)]
    environment = not venv.finished()
    player = wanted.servers and not npm.finished()
    packages = apt.missing(
        servers=wanted.servers,
        jars=any(maven.wrong(maven.LIBRARY / part, maven.expected(part)) for part in parts),
        venv=environment and not venv.has_installer(),
        browser=wanted.browser,
        player=player,
    )
    return Plan(packages, environment, parts, player)


def steps_of(wanted: Needs) -> int:
    """How many numbered steps the installation has."""
    return 3 + len(maven.PARTS) if wanted.servers else 1


def total(command: str, wanted: Needs) -> int:
    """How many numbered steps the whole command has."""
    return steps_of(wanted) + OWN_STEPS.get(command, 0)


def ensure(command: str, rest: list[str]) -> None:
    """Installs what the command needs and is missing, saying so; silent when a command of one line has all it needs."""
    wanted = needs(command, rest)
    missing = plan(wanted)
    if missing.empty and not wanted.servers:
        return
    steps = Steps(total(command, wanted) + bool(missing.packages and not wanted.servers))
    if missing.empty:
        _all_there(steps)
        return
    with alone(ROOT / ".local" / "install.lock", "an installation", wait=True):
        _install(wanted, steps, LOGS)


def _all_there(steps: Steps) -> None:
    with steps.step("Debian packages"):
        steps.done("all there")
    with steps.step("Python environment"):
        steps.done(f"{len(venv.pins())} packages, all there")
    for part in maven.PARTS:
        with steps.step(maven.title(part)):
            steps.done("there")
    with steps.step(npm.title()):
        steps.done("there")


def _install(wanted: Needs, steps: Steps, logs: Path) -> None:
    # Looked at again: another command may have installed it while this one waited for the lock.
    missing = plan(wanted)
    if wanted.servers or missing.packages:
        with steps.step("Debian packages"):
            if missing.packages:
                apt.install(missing.packages, steps, logs)
            steps.done(", ".join(missing.packages) or "all there")
    with steps.step("Python environment"):
        venv.ensure(steps, logs)
    for part in maven.PARTS if wanted.servers else ():
        with steps.step(maven.title(part)):
            maven.ensure(part, steps, logs)
    if wanted.servers:
        with steps.step(npm.title()):
            npm.ensure(steps, logs)
