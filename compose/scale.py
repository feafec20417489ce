"""Runs more or fewer copies of a worker; the copies that stay are not touched."""

import os
import signal
from contextlib import suppress

from compose import supervision
from compose.machine import refuse_taken_ports
from compose.programs import PROGRAMS, SLOTS_MAX, Instance, instances, known
from compose.stack import Stack, alone
from compose.supervision import Supervisor
from compose.trouble import Trouble
from compose.up import bring_to_readiness, prepare


def scale(stack: Stack, rest: list[str]) -> None:
    """`WORKER N`: remembers the number for every later `up` and, when the stack runs, applies it now."""
    name, count = asked(rest)
    with alone(stack.folder / "lock", f"the stack '{stack.name}'"):
        scale_before = stack.remembered().get("scale", {})
        scale_now = scale_before | {name: count}
        supervisor = Supervisor(stack)
        running = set(stack.remembered().get("programs", ()))
        if not supervisor.runs() or name not in running:
            stack.remember(offset=stack.offset, scale=scale_now)
            print(f"{name}: {count} from the next `{stack.command} up` on.")
            return
        chosen = instances([program for program in PROGRAMS if program.name in running], scale_now)
        new = [instance for instance in chosen if instance.name not in supervisor.states()]
        refuse_taken_ports(stack, new)
        stack.remember(scale=scale_now)
        _apply(stack, supervisor, chosen, new)
        print(f"{name}: {count} running.")


def asked(rest: list[str]) -> tuple[str, int]:
    """Checks `WORKER N`; raises Trouble when it is no worker or no number from 1 to 20."""
    if len(rest) != 2 or not rest[1].isdecimal() or not 1 <= int(rest[1]) <= SLOTS_MAX:
        text = f"How many of which? A worker and a number from 1 to {SLOTS_MAX}."
        raise Trouble(text, fix="compose/local scale bids 2", code=2)
    if not known(rest[0]).scalable:
        names = ", ".join(program.name for program in PROGRAMS if program.scalable)
        raise Trouble(f"{rest[0]} runs once.", fix=f"these may run more often: {names}", code=2)
    return rest[0], int(rest[1])


def _apply(stack: Stack, supervisor: Supervisor, chosen: list[Instance], new: list[Instance]) -> None:
    env = prepare(stack, [])
    supervision.configure(stack, chosen)
    _say_goodbye(supervisor, chosen)
    supervisor.apply()
    bring_to_readiness(stack, supervisor, env, new)


def _say_goodbye(supervisor: Supervisor, chosen: list[Instance]) -> None:
    """Tells the members of consumer groups that end for good: the others would wait for them until their session is over."""
    staying = {instance.name for instance in chosen}
    for name, state in supervisor.states().items():
        if name in staying or not state["pid"] or not known(name.rpartition("-")[0]).module.startswith("consumers."):
            continue
        with suppress(ProcessLookupError):
            os.kill(state["pid"], signal.SIGUSR1)
