"""What may change in a released message: only optional fields may be added (ARCHITECTURE section 3, Evolution)."""

import operator
from collections.abc import Callable
from typing import Any

from schemas.registry import Message

Schema = dict[str, Any]


def schema_of(message: Message) -> Schema:
    """The JSON Schema (draft 2020-12) of a message's `data`, by its names on the wire."""
    schema: Schema = message.model.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": message.ce_type, **schema}


def breaks(released: Schema, current: Schema) -> list[str]:
    """What a reader or writer of the released message would stumble over; empty when all is well."""
    return _breaks(released, current, released, current, "")


def _breaks(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> list[str]:
    old, new = _follow(old, old_root), _follow(new, new_root)
    found = [*_narrowed(old, new, path), *_newly_required(old, new, path)]
    for name, old_field in old.get("properties", {}).items():
        where = f"{path}.{name}".lstrip(".")
        new_field = new.get("properties", {}).get(name)
        if new_field is None:
            found.append(f"{where} was removed")
        else:
            found.extend(_breaks(old_field, new_field, old_root, new_root, where))
    if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
        found.extend(_breaks(old["items"], new["items"], old_root, new_root, f"{path}[]"))
    return found


def _narrowed(old: Schema, new: Schema, path: str) -> list[str]:
    found = []
    where = path or "the message"
    if lost := _types(old) - _types(new):
        found.append(f"{where} no longer takes {', '.join(sorted(lost))}")
    old_values = set(map(str, old.get("enum") or ()))
    if lost_values := old_values - (set(map(str, new["enum"])) if "enum" in new else old_values):
        found.append(f"{where} no longer takes the values {', '.join(sorted(lost_values))}")
    if "enum" in new and "enum" not in old and "const" not in old:
        found.append(f"{where} takes only some values now")
    found.extend(
        f"{where}: {bound} was tightened from {old.get(bound, 'none')} to {new[bound]}"
        for bound, tighter in _BOUNDS.items()
        if bound in new and (bound not in old or tighter(float(new[bound]), float(old[bound])))
    )
    if new.get("pattern") != old.get("pattern") and "pattern" in new:
        found.append(f"{where}: its pattern changed")
    return found


def _newly_required(old: Schema, new: Schema, path: str) -> list[str]:
    return [
        f"{f'{path}.{name}'.lstrip('.')} is required now"
        for name in new.get("required", ())
        if name not in old.get("required", ())
    ]


_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems"), operator.gt),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems"), operator.lt),
}
"""What makes a bound tighter, for each bound of JSON Schema that we use."""


def _types(schema: Schema) -> set[str]:
    if "anyOf" in schema:
        return {kind for branch in schema["anyOf"] for kind in _types(branch)}
    if "$ref" in schema:
        return {schema["$ref"]}
    kind = schema.get("type")
    return set(kind) if isinstance(kind, list) else {kind} if kind else set()


def _follow(schema: Schema, root: Schema) -> Schema:
    """The schema itself: behind a reference, and without the null beside it."""
    if "$ref" in schema:
        target: Schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        return target
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) == 1 and len(schema["anyOf"]) == 2 and "$ref" in branches[0]:
        return _follow(branches[0], root)
    return schema
