"""Steps between bids: the published tables, and tables of a seller's own (RULES section 4)."""

from bisect import bisect_right
from pathlib import Path
from typing import Any, Final, TypeGuard

import msgspec

LARGEST_AMOUNT: Final = 9_999_999_999  # M2: ten digits, as in DECIMAL(10,2)


def is_amount(x: object) -> TypeGuard[int]:
    """Whether x is an amount: an integer from 1 to 9 999 999 999 minor units, true and false excluded (M2, B17)."""
    return type(x) is int and 1 <= x <= LARGEST_AMOUNT


class Increments(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The step at every price, in minor units: row i says `steps[i]` from price `starts[i]` on (I1)."""

    starts: tuple[int, ...]
    steps: tuple[int, ...]

    def step(self, price: int) -> int:
        """I(price): the step of the last row at or below the price; below the first row, the first step (I1)."""
        row = bisect_right(self.starts, price)
        return self.steps[row - 1 if row else 0]


def _own_table(rows: Any) -> Increments:
    if not isinstance(rows, list | tuple) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError("an increment table is a list of rows")
    pairs = [(row["from"], row["step"]) for row in rows]
    starts, steps = zip(*pairs, strict=True)
    if not all(is_amount(start) and is_amount(step) for start, step in pairs):
        raise ValueError("`from` and `step` are amounts")
    if list(starts) != sorted(set(starts)) or list(steps) != sorted(steps):
        raise ValueError("`from` rises and `step` never falls")
    return Increments(starts, steps)


def _published() -> dict[str, Increments]:
    text = Path(__file__).with_name("increments.json").read_bytes()
    return {name: _own_table(table["rows"]) for name, table in msgspec.json.decode(text)["tables"].items()}


TABLES: Final = _published()


def table_of(choice: Any) -> Increments:
    """The table of this published name, or the one written out as `{"rows": [{"from", "step"}, ...]}` (O2).

    Raises ValueError or KeyError if the name is unknown, or the rows do not rise.
    """
    if isinstance(choice, str):
        return TABLES[choice]
    if isinstance(choice, dict):
        return _own_table(choice.get("rows"))
    raise ValueError("an increment table is a name or rows")
