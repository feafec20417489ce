"""First half of every command, on the standard library alone: installs what is missing, then goes on in the virtual environment."""

import os
import signal
import sys

from compose import install, venv
from compose.arguments import parse
from compose.stack import find
from compose.trouble import Trouble


def main(argv: list[str]) -> int:
    """Prepares the machine for the command and becomes it; returns only when that fails, with an exit code."""
    asked = parse(argv)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        find(asked.stack, dict(os.environ))
        if asked.command == "doctor" and not venv.finished():
            print("compose/local: nothing is installed yet; `compose/local up` does it.")
            return 2
        install.ensure(asked.command, asked.rest)
    except Trouble as trouble:
        print(f"compose/local: {trouble}", file=sys.stderr)
        return trouble.code
    except KeyboardInterrupt:
        print("\ncompose/local: interrupted; the next run goes on from here.", file=sys.stderr)
        return 130
    venv.become("compose", argv)
    return 1
