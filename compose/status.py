"""What runs in a stack: state, process, age, memory, readiness, address."""

import time
from collections.abc import Mapping
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from compose import envfile, processes, readiness
from compose.programs import Instance, instances, with_needs
from compose.servers import SERVERS
from compose.stack import Stack
from compose.supervision import Supervisor


def status(stack: Stack) -> int:
    """Prints the table; returns 0 when everything that was started is ready, 3 when not, as init scripts do."""
    supervisor = Supervisor(stack)
    if not supervisor.runs():
        left = processes.of_stack(stack)
        print(f"The stack '{stack.name}' is not running.")
        for process in left:
            print(f"  left over: {processes.describe(process)}   ({stack.command} down ends it)")
        return 3
    rows = look(stack, supervisor)
    Console().print(_table(stack, rows))
    unready = [row for row in rows if row["ready"]]
    for row in unready:
        print(f"{row['name']} {row['ready']}")
    return 3 if unready else 0


def look(stack: Stack, supervisor: Supervisor) -> list[dict[str, Any]]:
    """One row per instance: name, state, pid, age_s, memory_mb, ready ("" or what it waits for), url."""
    env = envfile.read(stack.env_file)
    known = stack.remembered()
    states = supervisor.states()
    chosen = instances(with_needs(known.get("programs", [])), known.get("scale", {}))
    return [_row(stack, env, instance, states.get(instance.name, {})) for instance in chosen]


def _row(stack: Stack, env: Mapping[str, str], instance: Instance, state: Mapping[str, Any]) -> dict[str, Any]:
    pid = state.get("pid") or None
    return {
        "name": instance.name,
        "state": str(state.get("statename", "ABSENT")).lower(),
        "pid": pid,
        "age_s": time.time() - state["start"] if pid else None,
        "memory_mb": memory_mb(pid),
        "ready": readiness.missing(stack, env, instance, state),
        "url": url(stack, instance),
    }


def url(stack: Stack, instance: Instance) -> str:
    """Where it listens, for people first; "" when nowhere."""
    program = instance.program
    if program.people:
        return f"{'ws' if program.name == 'live' else 'http'}://127.0.0.1:{stack.port(program.name)}"
    if program.name in SERVERS:
        return f"127.0.0.1:{stack.port(program.name)}"
    if program.kind == "process":
        return f"127.0.0.1:{stack.internal_port(program.name, instance.slot)}"
    return ""


def memory_mb(pid: int | None) -> float | None:
    """Resident memory of the process; of PostgreSQL's family each shared page once, if we may look that closely."""
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        if len(family) > 1:
            return sum(member.memory_full_info().pss for member in family) / 1e6
        return process.memory_info().rss / 1e6
    except psutil.AccessDenied:
        return process.memory_info().rss / 1e6
    except psutil.NoSuchProcess:
        return None


def _table(stack: Stack, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"stack '{stack.name}'", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for heading, justify in (
        ("program", "left"), ("state", "left"), ("pid", "right"), ("up", "right"),
        ("MB", "right"), ("ready", "left"), ("address", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(
            row["name"],
            row["state"],
            str(row["pid"] or ""),
            age(row["age_s"]),
            f"{row['memory_mb']:.0f}" if row["memory_mb"] is not None else "",
            "[green]yes[/]" if not row["ready"] else "[red]no[/]",
            row["url"],
        )
    return table


def age(seconds: float | None) -> str:
    """Seconds as people say them: 42 s, 3 min, 5 h, 2 d."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
