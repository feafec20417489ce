"""Second half of every command, in the virtual environment: `python -m compose COMMAND`."""

import signal
import sys


def start() -> int:
    """Runs the command on the command line; returns its exit code."""
    # Until the first handler stands Ctrl-C ends the process without a word: nothing has been started yet.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from compose.commands import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(start())
