"""Supervisor that restarts at once: a killed worker is back after its own start-up time, not up to a second later.

The stock loop notices a death when its one-second poll returns and acts on it one poll later; a process that dies in its
first second waits 1, 2, 3, ... seconds without bound. Here SIGCHLD ends the poll, the restart follows in the same
round, and repeated early deaths wait 0.2, 0.4, ... 5 s.
"""

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.poller import PollPoller
from supervisor.states import ProcessStates
from supervisor.supervisord import Supervisor

PATIENCE_S = 1.0
PATIENCE_WHILE_RESTARTING_S = 0.1
RESTART_DELAY_S_MAX = 5.0
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class PromptPoller(PollPoller):  # type: ignore[misc]
    """A poll that a signal ends."""

    patience_s = PATIENCE_S

    def initialize(self) -> None:
        super().initialize()
        self._bell, rope = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(rope, False)
        signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
        self._poller.register(self._bell, self.READ)

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        readable, writable = super().poll(min(timeout, self.patience_s))
        if self._bell in readable:
            readable.remove(self._bell)
            os.read(self._bell, 4096)
        return readable, writable


class PromptOptions(ServerOptions):  # type: ignore[misc]
    """Supervisor's options, with the poll above and a fork that loses no signal."""

    def __init__(self) -> None:
        super().__init__()
        self.poller = PromptPoller(self)

    def fork(self) -> int:
        # Between fork and exec the stock child still has supervisor's own handlers: a SIGTERM then is forgotten, and
        # whoever stops a program that has just been restarted waits until SIGKILL comes.
        signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        try:
            pid = int(super().fork())
            if pid:
                with suppress(OSError):  # The child has done so itself, or is gone.
                    os.setpgid(pid, pid)
            else:
                for number in FORWARDED:
                    signal.signal(number, signal.SIG_DFL)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


class PromptSupervisor(Supervisor):  # type: ignore[misc]
    """Restarts what died in the round that noticed it."""

    def reap(self, once: bool = False, recursionguard: int = 0) -> None:  # noqa: FBT001, FBT002 - supervisor's signature
        super().reap(once, recursionguard)
        if recursionguard:
            return
        waiting = False
        for group in self.process_groups.values():
            for process in group.processes.values():
                if process.get_state() == ProcessStates.BACKOFF:
                    delay_s = min(0.1 * 2 ** min(process.backoff, 6), RESTART_DELAY_S_MAX)
                    process.delay = min(process.delay, process.laststart + delay_s)
                    waiting = True
            group.transition()
        self.options.poller.patience_s = PATIENCE_WHILE_RESTARTING_S if waiting else PATIENCE_S


def main(arguments: list[str]) -> None:
    """Runs supervisor with its usual arguments, in the foreground, until it is told to stop."""
    options: Any = PromptOptions()
    options.realize(arguments)
    options.first = True
    options.test = False
    try:
        PromptSupervisor(options).main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_httpservers()
        options.close_logger()


if __name__ == "__main__":
    main(sys.argv[1:])
