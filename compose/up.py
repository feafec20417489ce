"""Starts a stack: checks the machine, prepares, starts each program when what it needs is ready, waits until all are."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from compose import envfile, processes, readiness, supervision
from compose.down import stop
from compose.machine import refuse_not_ours, refuse_small_machine, refuse_taken_ports
from compose.programs import PROGRAMS, Instance, Program, instances, with_needs
from compose.servers import SERVERS
from compose.stack import Stack, alone
from compose.supervision import Supervisor
from compose.trouble import Trouble

READY_S_MAX = 120
CRASHING_S_MAX = 30
LOOK_EVERY_S = 0.1
LOG_LINES = 15
SOURCES = ("topics", "schemas", "producers", "consumers", "edge_api")


def up(stack: Stack, names: list[str], *, step: str) -> None:
    """Brings the named programs (all by default) and what they need to readiness; says so if they are already.

    `step` is the number to show, "[4/4]". Raises Trouble when the machine cannot, or when a program does not get
    ready in time.
    """
    refuse_not_ours(stack)
    with alone(stack.folder / "lock", f"the stack '{stack.name}'"):
        supervisor = Supervisor(stack)
        if supervisor.runs():
            _more(stack, supervisor, with_needs(names), step)
        else:
            _from_nothing(stack, supervisor, with_needs(names), step)
    for line in (*addresses(stack), *others(stack)):
        print(line)


def _from_nothing(stack: Stack, supervisor: Supervisor, programs: list[Program], step: str) -> None:
    orphans = processes.end(stack)
    if orphans:
        print(f"{orphans} processes of an earlier run had lost their supervisor: ended.")
    chosen = instances(programs, stack.remembered().get("scale", {}))
    refuse_taken_ports(stack, chosen)
    refuse_small_machine(stack.root)
    for folder in (stack.data, stack.logs, stack.config, stack.socket.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if stack.socket.parent != stack.folder:
        stack.socket.parent.chmod(0o700)
    stack.remember(offset=stack.offset, programs=[program.name for program in programs])
    print(f"{step} Stack '{stack.name}': starting {len(chosen)} programs", flush=True)
    try:
        _start(stack, supervisor, chosen)
    except BaseException:
        # Ctrl-C too: what is half up is of no use and would hold the ports.
        stop(stack)
        raise


def _start(stack: Stack, supervisor: Supervisor, chosen: list[Instance]) -> None:
    env = prepare(stack, [instance.program for instance in chosen])
    supervision.configure(stack, chosen)
    with (stack.logs / "supervisord.out").open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "compose.supervisord", "-c", str(supervision.config_file(stack))],
            cwd=stack.folder,
            env=envfile.environment(stack, os.environ) | {supervision.STACK_VARIABLE: str(stack.folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + 10
    while not supervisor.runs():
        if child.poll() is not None or time.monotonic() > deadline:
            text = (stack.logs / "supervisord.out").read_text().strip()[-800:]
            raise Trouble(f"Supervisor did not start: {text or 'it says nothing'}")
        time.sleep(0.02)
    bring_to_readiness(stack, supervisor, env, chosen)


def _more(stack: Stack, supervisor: Supervisor, programs: list[Program], step: str) -> None:
    states = supervisor.states()
    running = set(stack.remembered().get("programs", ()))
    union = [program for program in PROGRAMS if program.name in running or program in programs]
    chosen = instances(union, stack.remembered().get("scale", {}))
    new = [instance for instance in chosen if instance.name not in states]
    env: Mapping[str, str] = envfile.read(stack.env_file)
    if new:
        refuse_taken_ports(stack, new)
        env = prepare(stack, [instance.program for instance in new])
        stack.remember(programs=[program.name for program in union])
        supervision.configure(stack, chosen)
        supervisor.apply()
    asked = [instance for instance in chosen if instance.program in programs]
    states = supervisor.states()
    if not any(readiness.missing(stack, env, instance, states[instance.name]) for instance in asked):
        print(f"{step} Stack '{stack.name}' is already running, {len(asked)} programs ready")
        warn_of_older_code(stack, supervisor)
        return
    print(f"{step} Stack '{stack.name}' is already running: starting {len(new)} more, waiting for all", flush=True)
    try:
        bring_to_readiness(stack, supervisor, env, asked)
    except BaseException:
        for instance in reversed(new):
            supervisor.stop(instance.name)
        raise


def prepare(stack: Stack, programs: list[Program]) -> Mapping[str, str]:
    env = envfile.write(stack)
    for program in programs:
        if program.name in SERVERS:
            SERVERS[program.name].prepare(stack, env)
    return env


def bring_to_readiness(stack: Stack, supervisor: Supervisor, env: Mapping[str, str], chosen: list[Instance]) -> None:
    """Starts each instance once what it needs is ready; returns when all are. Raises Trouble with a log's end."""
    began = time.monotonic()
    waiting = {instance.name: instance for instance in chosen}
    started: set[str] = set()
    while waiting:
        unready = {instance.program.name for instance in waiting.values()}
        states = supervisor.states()
        for name, instance in list(waiting.items()):
            if not unready.isdisjoint(instance.program.needs):
                continue
            if name not in started:
                started.add(name)
                if states[name]["statename"] not in ("STARTING", "RUNNING"):
                    supervisor.start(name)
                    continue
            reason = readiness.missing(stack, env, instance, states[name])
            if not reason:
                del waiting[name]
                print(f"  {name:<16} ready after {time.monotonic() - began:.1f} s", flush=True)
            elif time.monotonic() - began > (CRASHING_S_MAX if crashes(states[name]) else READY_S_MAX):
                raise Trouble(
                    not_ready(stack, name, reason), fix=f"{stack.command} logs {name}, {stack.command} doctor"
                )
        if waiting:
            time.sleep(LOOK_EVERY_S)


def crashes(state: Mapping[str, Any]) -> bool:
    """Whether it has just died again, and so will hardly get ready by waiting."""
    return bool(state["statename"] == "BACKOFF")


def not_ready(stack: Stack, name: str, reason: str) -> str:
    """What to say about an instance that did not get ready: why, and the end of its log."""
    log = stack.logs / f"{name}.log"
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    shown = "".join(f"\n    | {line[:200]}" for line in lines)
    return f"{name} did not get ready: it {reason}{shown}"


def warn_of_older_code(stack: Stack, supervisor: Supervisor) -> None:
    """Says so when a source file is younger than the oldest running process of ours."""
    begun = [row["start"] for row in supervisor.states().values() if row["pid"] and row["name"] not in SERVERS]
    sources = [file for folder in SOURCES for file in (stack.root / folder).rglob("*.py")]
    changed = [file for file in sources if begun and file.stat().st_mtime > min(begun)]
    if changed:
        print(
            f"  It runs older code: {len(changed)} files changed since, such as {changed[0].relative_to(stack.root)}. "
            f"`{stack.command} down` and `up` run the present one."
        )


def others(stack: Stack) -> list[str]:
    """Other stacks of this checkout that are running, one line each."""
    names = [folder.name for folder in sorted(stack.folder.parent.iterdir()) if folder.name != stack.name]
    running = [name for name in names if Supervisor(Stack(name, 0, stack.root)).runs()]
    return [f"  also running: the stack '{name}' (compose/local --stack {name} down)" for name in running]


def addresses(stack: Stack) -> list[str]:
    """What a person can open or read next."""
    known = set(stack.remembered().get("programs", ()))
    scheme = {"live": "ws"}
    lines = [
        f"  {program.name:<16} {scheme.get(program.name, 'http')}://127.0.0.1:{stack.port(program.name)}  {program.says}"
        for program in PROGRAMS
        if program.people and program.name in known
    ]
    return [*lines, f"  settings         MARKETPLACE_ENV={stack.env_file}"]
