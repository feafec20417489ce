"""The commands of `compose/local`, run in the virtual environment."""

import os
import signal
import sys

from compose import envfile, install, testing
from compose.arguments import Asked, parse
from compose.doctor import doctor
from compose.down import down, reset
from compose.programs import instances, known
from compose.scale import scale
from compose.stack import Stack, find
from compose.status import status
from compose.trouble import Trouble
from compose.up import up
from compose.venv import VENV


def main(argv: list[str]) -> int:
    """Runs one command; returns its exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, testing.terminate)
    try:
        asked = parse(argv)
        return run(asked, find(asked.stack, dict(os.environ)))
    except Trouble as trouble:
        print(f"compose/local: {trouble}", file=sys.stderr)
        return trouble.code
    except KeyboardInterrupt:
        print("\ncompose/local: interrupted; what this command had started is stopped.", file=sys.stderr)
        return 130


def run(asked: Asked, stack: Stack) -> int:
    """One command on its stack."""
    match asked.command:
        case "up":
            step = install.steps_of(install.needs("up", [])) + 1
            up(stack, asked.rest, step=f"[{step}/{step}]")
        case "down":
            down(stack)
        case "reset":
            reset(stack)
        case "scale":
            scale(stack, asked.rest)
        case "status":
            return status(stack)
        case "doctor":
            return doctor(stack)
        case "demo":
            return testing.demo(stack, asked.rest)
        case "test":
            return testing.test(asked.rest)
        case "logs":
            logs(stack, asked.rest)
        case "marketplace":
            operators(stack, asked.rest)
    return 0


def logs(stack: Stack, rest: list[str]) -> None:
    """Becomes `tail` on the logs of the named programs, all copies of each; `-f` follows them."""
    names = [name for name in rest if name != "-f"]
    scale_now = stack.remembered().get("scale", {})
    chosen = instances([known(name) for name in names], scale_now)
    files = [str(stack.logs / f"{instance.name}.log") for instance in chosen]
    there = [file for file in files if os.path.exists(file)]  # noqa: PTH110 - tail is given texts
    if not there:
        text = f"No log of {', '.join(names)} yet." if names else "Whose log?"
        raise Trouble(text, fix=f"{stack.command} logs bids -f", code=2)
    os.execvp("tail", ["tail", "-n", "100", *(["-F"] if "-f" in rest else []), *there])  # noqa: S606, S607


def operators(stack: Stack, rest: list[str]) -> None:
    """Becomes the operators' command line with the stack's settings."""
    if not stack.env_file.exists():
        raise Trouble(f"The stack '{stack.name}' has no settings yet.", fix=f"{stack.command} up", code=2)
    program = str(VENV / "bin" / "marketplace")
    os.execve(program, [program, *rest], envfile.environment(stack, os.environ))  # noqa: S606
