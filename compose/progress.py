"""Progress that a person can follow: numbered steps, and a sign of life while something long runs."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from compose.trouble import Trouble

HEARTBEAT_S = 15
LINES_SHOWN = 12


def last_words(line: str) -> str:
    """The default sign of life: what the command said last."""
    return line


class Steps:
    """Prints `[2/5] title: result, 3 s`; on a terminal the running step is rewritten in place."""

    def __init__(self, total: int, first: int = 1) -> None:
        self._total = total
        self._number = first - 1
        self._live = sys.stdout.isatty()
        self._title = ""
        self._result = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step; `done` inside it says the result. Failing, it prints so and raises on."""
        self._number += 1
        self._title, self._result = title, "done"
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self._line(f"{self._head()}: failed", last=True)
            raise
        took = time.monotonic() - began
        self._line(f"{self._head()}: {self._result}" + (f", {took:.0f} s" if took >= 1 else ""), last=True)

    def done(self, result: str) -> None:
        self._result = result

    def say(self, text: str) -> None:
        """What the step is doing now."""
        self._line(f"{self._head()}: {text}", last=not self._live)

    def _head(self) -> str:
        return f"[{self._number}/{self._total}] {self._title}"

    def _line(self, text: str, *, last: bool) -> None:
        if self._live:
            sys.stdout.write("\r\x1b[K" + text[:118] + ("\n" if last else ""))
        else:
            sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def run(
        self,
        command: list[str],
        log: Path,
        what: str,
        *,
        env: dict[str, str] | None = None,
        words: Callable[[str], str] = last_words,
    ) -> None:
        """Runs a long command, its output into `log`; shows `words` of its last line now and then.

        Raises Trouble with the end of the log when it fails.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self.say(what)
        began = spoke = time.monotonic()
        with (
            log.open("w") as file,
            subprocess.Popen(
                command,
                env=env,
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as child,
        ):
            assert child.stdout
            for line in child.stdout:
                file.write(line)
                now = time.monotonic()
                sign = words(line.strip())
                if now - spoke > (0.2 if self._live else HEARTBEAT_S) and sign:
                    spoke = now
                    self.say(f"{what}, {now - began:.0f} s: {sign[:70]}")
        if child.returncode:
            end = "".join(f"\n    | {line[:200]}" for line in log.read_text().splitlines()[-LINES_SHOWN:])
            raise Trouble(f"`{' '.join(command[:4])} ...` failed ({child.returncode}); {log} ends:{end}")
