"""Runs a module as a process that serves: `python -m compose.serve consumers.bids`.

It does what `python -m consumers.bids` does, but sooner and in less memory: structlog loads rich wherever that is installed, to
print in colours what our processes print as JSON. That is a tenth of all that a worker imports, and 4 MB of each process.
"""

import gc
import runpy
import sys

NEVER_USED = "rich"


def main() -> None:
    """Run the module that the first argument names; what follows is the module's own."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m compose.serve MODULE [ARGUMENT...]")
    module = sys.argv.pop(1)
    # An import of it fails now, as it does where it is not installed.
    sys.modules.setdefault(NEVER_USED, None)  # type: ignore[arg-type]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def spare_the_collector() -> None:
    """Look for cycles seldom, and never among what stands when a process is ready: a batch or a request hardly ever makes one."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


if __name__ == "__main__":
    main()
