"""Write the JSON Schema of every message to `schemas/released/`; refuses a change that would break a reader.

Run `python -m schemas.release` after adding a message or an optional field.
"""

import json
import sys
from pathlib import Path

from schemas.compatibility import breaks, schema_of
from schemas.registry import MESSAGES, Message

RELEASED = Path(__file__).parent / "released"
SAMPLES = Path(__file__).parent / "samples"


def released_path(message: Message) -> Path:
    """Where the released schema of a message stands."""
    return RELEASED / f"{message.ce_type}.json"


def main() -> int:
    """Release all messages; 1 and the reasons when one would break."""
    RELEASED.mkdir(exist_ok=True)
    problems = []
    for message in MESSAGES:
        path = released_path(message)
        schema = schema_of(message)
        if path.exists():
            problems += [f"{message.ce_type}: {reason}" for reason in breaks(json.loads(path.read_text()), schema)]
        if not problems:
            path.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n")
    for problem in problems:
        print(f"not released, a new version of the type is needed: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
