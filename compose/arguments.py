"""The command line of `compose/local`."""

import argparse
from dataclasses import dataclass

COMMANDS = {
    "up": "[PROGRAM...]    start everything, or the named programs with what they need; wait until all is ready",
    "down": "                stop everything",
    "status": "                what runs, since when, how big, whether ready",
    "logs": "NAME... [-f]    the end of a program's log; -f follows",
    "scale": "WORKER N        run N copies of a worker",
    "reset": "                stop, and remove the stack's data, secrets and logs",
    "doctor": "                check everything, say what is wrong and how to mend it",
    "demo": "[OPTIONS]       the main job, live, from registration to the winning bid",
    "test": "[quick] [...]   all tests on a stack of their own; `quick`: those that need no server",
    "marketplace": "ARGS            the operators' command line, against this stack",
}


@dataclass(frozen=True)
class Asked:
    stack: str
    command: str
    rest: list[str]


def parse(argv: list[str]) -> Asked:
    """What a person asked for; exits with code 2 and the usage when it cannot be understood."""
    parser = argparse.ArgumentParser(
        prog="compose/local",
        description="The whole system on this machine, on real servers, without containers.",
        epilog="commands:\n" + "\n".join(f"  {name:<12} {says}" for name, says in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", default="main", metavar="NAME", help="which stack (default: main)")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...")
    parsed = parser.parse_args(argv)
    return Asked(parsed.stack, parsed.command, parsed.rest)
