"""Looks at the machine's processes: who holds a port, which ones belong to a stack, and ends those that were left behind."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from compose.stack import Stack
from compose.supervision import STACK_VARIABLE

STOP_PATIENCE_S = 15


def holder(port: int) -> str | None:
    """Who holds a TCP port of 127.0.0.1, in words; None when it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return _described(port)
    return None


def _described(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        local = connection.laddr
        if local and local.port == port and connection.status == psutil.CONN_LISTEN and connection.pid:
            try:
                return describe(psutil.Process(connection.pid))
            except psutil.NoSuchProcess:
                break
    return "a process that this user may not see"


def describe(process: psutil.Process) -> str:
    """Process id, command and, if it has one, the stack it belongs to."""
    try:
        command = " ".join(process.cmdline())[:100] or process.name()
        stack = folder_of(process)
    except psutil.Error:
        return f"pid {process.pid}"
    return f"pid {process.pid}: {command}" + (f"  (stack '{stack.name}' of {stack.parents[2]})" if stack else "")


def folder_of(process: psutil.Process) -> Path | None:
    """The stack folder a process belongs to, by its environment or, as some overwrite theirs, its working folder."""
    places: list[Callable[[], str]] = [lambda: process.environ().get(STACK_VARIABLE, ""), process.cwd]
    for place in places:
        try:
            path = Path(place())
        except psutil.Error:
            continue
        for candidate in (path, *path.parents):
            if candidate.parent.name == "stacks" and candidate.parent.parent.name == ".local":
                return candidate
    return None


def of_stack(stack: Stack) -> list[psutil.Process]:
    """Every process of the stack but this command and its parents."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [found for found in psutil.process_iter() if found.pid not in own and folder_of(found) == stack.folder]


def end(stack: Stack) -> int:
    """Ends every process of the stack, politely, then by force; returns how many there were.

    Servers go after their clients. PostgreSQL's main process takes its children with it.
    """
    found = [process for process in of_stack(stack) if not _has_parent_in_stack(process, stack)]
    servers = [process for process in found if _is_server(process)]
    for group in ([process for process in found if process not in servers], servers):
        for process in group:
            _tell(process)
        for process in psutil.wait_procs(group, timeout=STOP_PATIENCE_S)[1]:
            process.kill()
    left = of_stack(stack)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=STOP_PATIENCE_S)
    return len(found)


def _has_parent_in_stack(process: psutil.Process, stack: Stack) -> bool:
    parent = process.parent()
    return parent is not None and folder_of(parent) == stack.folder


def _is_server(process: psutil.Process) -> bool:
    try:
        return process.name() in {"postgres", "redis-server", "java"}
    except psutil.Error:
        return False


def _tell(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
