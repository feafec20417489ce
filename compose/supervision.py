"""What supervisor is told: its configuration, generated from the programs table, and commands over its socket."""

import os
import resource
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from compose.programs import PROGRAMS, Instance
from compose.servers import SERVERS
from compose.stack import Stack, replace

STACK_VARIABLE = "MARKETPLACE_STACK"  # the stack's folder, in the environment of every process: finds orphans
FILES_WANTED = 65_536  # each socket of `live` is one
PRIORITY = {program.name: 10 * (place + 1) for place, program in enumerate(PROGRAMS)}

HEAD = """\
[supervisord]
nodaemon = true
silent = true
logfile = {logs}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = {folder}/supervisord.pid
childlogdir = {logs}
nocleanup = true
minfds = {files}
{user}
[unix_http_server]
file = {socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """
[program:{name}]
command = {command}
directory = {directory}
environment = {environment}
priority = {priority}
autostart = false
autorestart = {autorestart}
startsecs = {startsecs}
startretries = 1000000000
stopsignal = {stopsignal}
stopwaitsecs = {stopwait}
stopasgroup = {asgroup}
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/{name}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 2
"""


def configure(stack: Stack, chosen: Iterable[Instance]) -> None:
    """Writes supervisor's configuration for the chosen instances."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    head = HEAD.format(
        logs=_text(str(stack.logs)),
        folder=_text(str(stack.folder)),
        socket=_text(str(stack.socket)),
        files=FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard),
        user="user = root" if os.geteuid() == 0 else "",
    )
    replace(config_file(stack), head + "".join(_section(stack, instance) for instance in chosen), mode=0o600)


def config_file(stack: Stack) -> Path:
    return stack.config / "supervisord.conf"


def _section(stack: Stack, instance: Instance) -> str:
    program = instance.program
    server = SERVERS.get(program.name)
    once = program.kind == "once"
    # The interpreter by its path in the virtual environment: resolved, it would lose the packages.
    command = server.command(stack) if server else [sys.executable, "-m", "compose.serve", program.module]
    if program.nice:
        command = ["nice", "-n", str(program.nice), *command]
    return PROGRAM.format(
        name=instance.name,
        command=_text(shlex.join(command)),
        directory=_text(str(stack.folder)),
        environment=_text(",".join(f'{name}="{value}"' for name, value in _environment(stack, instance).items())),
        priority=PRIORITY[program.name],
        autorestart="unexpected" if once else "true",
        startsecs=0 if once else 1,
        stopsignal=server.stop_signal if server else "TERM",
        stopwait=30 if server else 10,
        asgroup="false" if server else "true",
        logs=_text(str(stack.logs)),
    )


def _environment(stack: Stack, instance: Instance) -> dict[str, str]:
    common = {STACK_VARIABLE: str(stack.folder)}
    if instance.program.kind == "server":
        return common
    common |= {"MARKETPLACE_ENV": str(stack.env_file), "PYTHONUNBUFFERED": "1", "WORKER_SLOT": str(instance.slot)}
    # A killed worker must be back at once, whatever the shell says: the compiled modules are kept.
    common["PYTHONDONTWRITEBYTECODE"] = ""
    if instance.program.kind == "process" and instance.program.internal:
        common["INTERNAL_PORT"] = str(stack.internal_port(instance.program.name, instance.slot))
    return common


def _text(value: str) -> str:
    return value.replace("%", "%%")


class Supervisor:
    """The running supervisor of a stack."""

    def __init__(self, stack: Stack) -> None:
        self._address = f"unix://{stack.socket}"

    def _call(self, method: str, *arguments: object) -> Any:
        # Each call on a connection of its own: supervisor's transport does not recover a broken one.
        transport = SupervisorTransport(None, None, self._address)
        try:
            return getattr(ServerProxy("http://supervisor", transport).supervisor, method)(*arguments)
        finally:
            transport.close()

    def runs(self) -> bool:
        """Whether a supervisor answers on the socket."""
        try:
            return bool(self._call("getState")["statename"])
        except (OSError, Fault):
            return False

    def states(self) -> dict[str, dict[str, Any]]:
        """Per instance what supervisor knows: statename, pid, start, exitstatus, spawnerr."""
        return {row["name"]: row for row in self._call("getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Starts an instance; already running is fine."""
        try:
            self._call("startProcess", name, False)  # noqa: FBT003 - positional in XML-RPC
        except Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise

    def stop(self, name: str) -> None:
        """Stops an instance and waits until it is; not running is fine."""
        try:
            self._call("stopProcess", name)
        except Fault as fault:
            if fault.faultCode != Faults.NOT_RUNNING:
                raise

    def apply(self) -> tuple[list[str], list[str]]:
        """Takes over the written configuration without touching what did not change: (added, removed) names."""
        [[added, changed, removed]] = self._call("reloadConfig")
        for name in (*removed, *changed):
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)
        return [*added, *changed], list(removed)

    def shutdown(self) -> None:
        self._call("shutdown")
