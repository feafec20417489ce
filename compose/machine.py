"""What the machine must offer before a stack starts: free ports, memory, disk, a folder that is ours."""

import os
import shutil
from pathlib import Path

import psutil

from compose import processes
from compose.programs import Instance
from compose.servers import SERVERS
from compose.stack import Stack
from compose.trouble import Trouble

MEMORY_NEEDED = 3 << 30
DISK_NEEDED = 2 << 30


def ports(stack: Stack, chosen: list[Instance]) -> dict[int, str]:
    """Every port the instances will listen on, with the instance's name."""
    found: dict[int, str] = {}
    for instance in chosen:
        program = instance.program
        if program.name in SERVERS:
            found |= {stack.port(name): program.name for name in SERVERS[program.name].ports}
        elif program.kind == "process":
            if program.people:
                found[stack.port(program.name)] = program.name
            if program.internal:
                found[stack.internal_port(program.name, instance.slot)] = instance.name
    return found


def refuse_not_ours(stack: Stack) -> None:
    """Raises Trouble when another user made the stack's folder: its files could be neither read nor replaced."""
    if stack.folder.exists() and stack.folder.stat().st_uid != os.geteuid():
        raise Trouble(
            f"The stack '{stack.name}' was made by another user (user id {stack.folder.stat().st_uid}).",
            fix=f"run as that user, or as root: {stack.command} reset",
            code=2,
        )


def refuse_taken_ports(stack: Stack, chosen: list[Instance]) -> None:
    holders = {port: (name, processes.holder(port)) for port, name in sorted(ports(stack, chosen).items())}
    taken = [f"\n    {port} ({name}) is held by {by}" for port, (name, by) in holders.items() if by]
    if taken:
        raise Trouble(
            f"Ports of the stack '{stack.name}' are taken:{''.join(taken)}",
            fix="stop what holds them (`compose/local down` in its checkout if it is a stack), "
            "or run beside it: MARKETPLACE_PORT_OFFSET=9000 compose/local --stack second up",
            code=2,
        )


def refuse_small_machine(root: Path) -> None:
    """Raises Trouble when memory or disk do not suffice for a stack."""
    memory = psutil.virtual_memory().available
    disk = shutil.disk_usage(root).free
    for have, need, what, fix in (
        (memory, MEMORY_NEEDED, "memory", "close other programs, or use a machine with 6 GB"),
        (disk, DISK_NEEDED, f"disk space at {root}", "free some; `compose/local reset` removes a stack's data"),
    ):
        if have < need:
            text = f"Too little {what}: {have / (1 << 30):.1f} GB are free, {need >> 30} GB are needed."
            raise Trouble(text, fix=fix, code=2)
