"""Whether what was started really works: SQL, PING, metadata, topics, and each process by its own /ready."""

import http.client
from collections.abc import Mapping
from typing import Any

from compose.programs import Instance
from compose.servers import SERVERS
from compose.stack import Stack

ANSWER_S_MAX = 3


def missing(stack: Stack, env: Mapping[str, str], instance: Instance, state: Mapping[str, Any]) -> str:
    """ "" when the instance is ready, else what it waits for. `state` is supervisor's word about it."""
    name = state.get("statename")
    if instance.program.kind == "once":
        done = name == "EXITED" and state["exitstatus"] == 0
        return "" if done else f"is {str(name).lower()}"
    if name not in ("STARTING", "RUNNING"):
        return f"is {str(name).lower()}: {state.get('spawnerr') or 'not started'}"
    if instance.program.kind == "server":
        return SERVERS[instance.program.name].ready(stack, env)
    if instance.program.internal:
        return _answers(stack.internal_port(instance.program.name, instance.slot), "/ready", only=200)
    return _answers(stack.port(instance.program.name), "/", only=None)


def _answers(port: int, path: str, only: int | None) -> str:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S_MAX)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        text = answer.read(300).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer on port {port} yet ({type(error).__name__})"
    finally:
        line.close()
    if answer.status == only or (only is None and answer.status < 500):
        return ""
    return f"answers {answer.status} on {path}: {text}"
