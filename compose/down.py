"""Stops a stack, in order, and checks that nothing is left."""

import shutil
import time

from compose import processes
from compose.stack import Stack, alone
from compose.supervision import Supervisor
from compose.trouble import Trouble

STOP_S_MAX = 60


def down(stack: Stack) -> None:
    """Stops everything of the stack, also what a killed supervisor left behind; says what it did."""
    with alone(stack.folder / "lock", f"the stack '{stack.name}'"):
        ran, orphans = stop(stack)
    if ran or orphans:
        print(f"The stack '{stack.name}' is stopped." + (f" {orphans} orphans ended." if orphans else ""))
    else:
        print(f"The stack '{stack.name}' was not running.")


def stop(stack: Stack) -> tuple[bool, int]:
    """(whether a supervisor was stopped, how many processes without one were ended). Raises Trouble if some stay."""
    supervisor = Supervisor(stack)
    ran = supervisor.runs()
    if ran:
        supervisor.shutdown()
        deadline = time.monotonic() + STOP_S_MAX
        while (supervisor.runs() or processes.of_stack(stack)) and time.monotonic() < deadline:
            time.sleep(0.05)
    orphans = processes.end(stack)
    left = processes.of_stack(stack)
    if left:
        raise Trouble("These processes could not be ended: " + "; ".join(map(processes.describe, left)))
    stack.socket.unlink(missing_ok=True)
    return ran, orphans


def reset(stack: Stack) -> None:
    """Stops the stack and removes its data, secrets, logs and settings."""
    down(stack)
    shutil.rmtree(stack.folder, ignore_errors=False)
    if stack.socket.parent != stack.folder:
        shutil.rmtree(stack.socket.parent, ignore_errors=True)
    print(f"Removed {stack.folder}.")
