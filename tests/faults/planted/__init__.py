"""Planted bugs: each module here breaks one thing of a worker and runs it; the checker must find each of them.

A bug is a change of the source text, made while the module is imported. The text to be changed must stand there exactly once,
so that a plant whose place has moved fails aloud instead of disabling nothing.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, ModuleType
from typing import NamedTuple

PREFIX_VARIABLE = "PLANTED_PREFIX"


class Change(NamedTuple):
    """One text of a module's source and what stands there instead."""

    module: str
    old: str
    new: str


LOOSE_LOG = (
    Change(
        "consumers.runtime.migrate",
        "            text = path.read_text()\n",
        "            text = path.read_text().replace('    PRIMARY KEY (partition, src_offset),\\n', '')\n"
        "            text = text.replace('traceparent     text,\\n    CONSTRAINT log_command_id UNIQUE (command_id)\\n',"
        " 'traceparent     text\\n')\n"
        "            assert 'UNIQUE' not in text and 'PRIMARY KEY (partition' not in text\n",
    ),
)
"""Takes the unique indexes of the log away: behind them a worker that decides twice would only fail, again and again."""


def run(*changes: Change, program: str = "consumers.bids") -> None:
    """Run a program with its source changed, on topics and in groups whose names begin with PLANTED_PREFIX."""
    sys.meta_path.insert(0, _Planter(changes))
    _rename(os.environ[PREFIX_VARIABLE])
    runpy.run_module(program, run_name="__main__", alter_sys=True)


@contextmanager
def planted(*changes: Change, anew: tuple[str, ...]) -> Iterator[None]:
    """While it lasts, whoever imports a module of the packages `anew` gets one of this process's own, with its source changed."""
    before = _taken_out(anew)
    planter = _Planter(changes)
    sys.meta_path.insert(0, planter)
    try:
        yield
    finally:
        sys.meta_path.remove(planter)
        _taken_out(anew)
        for name, module in before.items():
            sys.modules[name] = module
            parent, _, last = name.rpartition(".")
            setattr(sys.modules[parent], last, module)


def _taken_out(packages: tuple[str, ...]) -> dict[str, ModuleType]:
    names = [one for one in sys.modules if one.startswith(packages)]
    return {name: sys.modules.pop(name) for name in sorted(names)}


def _rename(prefix: str) -> None:
    from topics.catalog import CATALOG

    for topic in CATALOG:
        object.__setattr__(topic, "name", prefix + topic.name)

    from consumers.runtime.inbox import Inbox  # Only now: it takes the names of topics as it is imported.

    checked = Inbox.__post_init__

    def renamed(inbox: Inbox) -> None:
        object.__setattr__(inbox, "group", prefix + inbox.group)
        checked(inbox)

    Inbox.__post_init__ = renamed  # type: ignore[assignment, method-assign]


class _Planter(importlib.abc.MetaPathFinder):
    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        changes = [change for change in self._changes if change.module == fullname]
        if not changes:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            raise LookupError(f"there is no module {fullname}")
        spec.loader = _Changed(fullname, spec.origin, changes)
        return spec


class _Changed(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, changes: Sequence[Change]) -> None:
        super().__init__(fullname, path)
        self._changes = changes

    def get_code(self, fullname: str) -> CodeType:
        text = importlib.util.decode_source(self.get_data(self.path))
        for change in self._changes:
            assert text.count(change.old) == 1, f"{fullname}: the planted place stands {text.count(change.old)} times"
            text = text.replace(change.old, change.new)
        return compile(text, self.path, "exec", dont_inherit=True)
