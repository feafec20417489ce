"""Checks the machine and the stack, and says of everything that is wrong how to mend it."""

import os
import shutil
import sys
from collections.abc import Callable

import psutil

from compose import apt, maven, npm, processes, venv
from compose.machine import refuse_not_ours, refuse_small_machine, refuse_taken_ports
from compose.programs import instances, with_needs
from compose.servers import kafka, postgres
from compose.stack import Stack
from compose.status import look
from compose.supervision import Supervisor
from compose.trouble import Trouble


def doctor(stack: Stack) -> int:
    """Prints one line per check; returns 0 when all is well, 1 when something is wrong."""
    wrong = 0
    for name, check in checks(stack).items():
        try:
            print(f"  ok     {name}: {check()}")
        except Trouble as trouble:
            wrong += 1
            print(f"  WRONG  {name}: {trouble.what}" + (f"\n         what to do: {trouble.fix}" if trouble.fix else ""))
    print(f"{wrong} of {len(checks(stack))} checks found something wrong." if wrong else "All is well.")
    return 1 if wrong else 0


def checks(stack: Stack) -> dict[str, Callable[[], str]]:
    """Every check by its name; each returns what it saw or raises Trouble."""
    return {
        "Python": lambda: f"{sys.version.split()[0]} in {venv.VENV}",
        "Python packages": _packages,
        "Debian packages": _debian,
        **{maven.title(part): _part(part) for part in maven.PARTS},
        npm.title(): _player,
        "memory and disk": lambda: _machine(stack),
        "stack's folder": lambda: _folder(stack),
        "processes": lambda: _processes(stack),
    }


def _packages() -> str:
    folder = venv.site()
    broken = venv.unfinished(folder) if folder else ["all"]
    if broken or not venv.finished():
        venv.STAMP.unlink(missing_ok=True)
        raise Trouble(f"not as locked: {', '.join(broken[:8]) or 'the lock file changed'}", fix="compose/local up")
    return f"{len(venv.pins())}, exactly as locked"


def _player() -> str:
    if not npm.finished():
        raise Trouble("not there, or changed", fix="compose/local up")
    return f"there, {npm.PLAYER.stat().st_size / 1e3:.0f} kB"


def _debian() -> str:
    missing = apt.missing(servers=True, jars=False, venv=False, browser=False)
    if missing:
        line = f"apt-get install -y {' '.join(missing)}"
        raise Trouble(f"missing: {', '.join(missing)}", fix="compose/local up" if os.geteuid() == 0 else f"sudo {line}")
    java = kafka.java()
    return f"{postgres.binary('postgres')}, {shutil.which('redis-server')}, Java {apt.java_version(java or '')}"


def _part(part: str) -> Callable[[], str]:
    def check() -> str:
        files = maven.expected(part)
        bad = maven.wrong(maven.LIBRARY / part, files)
        if bad:
            maven.forget(part)
            raise Trouble(f"absent or not what was committed: {', '.join(bad[:5])}", fix="compose/local up")
        return f"{len(files)} files, SHA-256 as committed"

    return check


def _machine(stack: Stack) -> str:
    if not Supervisor(stack).runs():
        refuse_small_machine(stack.root)
    free = shutil.disk_usage(stack.root).free / 2**30
    return f"{psutil.virtual_memory().available / 2**30:.1f} GB of memory and {free:.0f} GB of disk are free"


def _folder(stack: Stack) -> str:
    refuse_not_ours(stack)
    if stack.env_file.exists() and stack.env_file.stat().st_mode & 0o077:
        raise Trouble(f"others may read {stack.env_file}", fix=f"chmod 600 {stack.env_file}")
    return str(stack.folder)


def _processes(stack: Stack) -> str:
    supervisor = Supervisor(stack)
    if not supervisor.runs():
        left = processes.of_stack(stack)
        if left:
            shown = "; ".join(processes.describe(process) for process in left[:5])
            raise Trouble(f"{len(left)} lost their supervisor: {shown}", fix=f"{stack.command} down")
        refuse_taken_ports(stack, instances(with_needs([]), stack.remembered().get("scale", {})))
        return "not running, its ports are free"
    unready = [f"{row['name']} {row['ready']}" for row in look(stack, supervisor) if row["ready"]]
    if unready:
        raise Trouble("; ".join(unready), fix=f"{stack.command} logs NAME")
    return "running, all ready"
