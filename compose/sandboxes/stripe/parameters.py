"""Requests' parameters: Stripe's form encoding, held against the names, types and choices of the SDK's own parameter types."""

import sys
import types
import typing
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import typing_extensions
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject

from compose.sandboxes.stripe.problems import Problem, invalid, missing, unknown

_OF_A_REQUEST = frozenset(RequestOptions.__annotations__)
"""What the SDK takes beside parameters and sends as headers."""
DEPTH_MAX = 8


def read_form(text: str) -> dict[str, Any]:
    """`a[b][0]=c` as nested dictionaries, lists by their numbers; raises Problem for what is no such form."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=1_000):
        head, _, rest = name.partition("[")
        path = [head, *(rest.rstrip("]").split("][") if rest else [])]
        if not head or len(path) > DEPTH_MAX or (rest and not rest.endswith("]")):
            raise invalid(f"Invalid parameter name: {name}", name)
        _put(found, path, value)
    return found


def _put(into: dict[str, Any], path: list[str], value: str) -> None:
    *way, last = path
    for step in way:
        into = into.setdefault(step, {})
        if not isinstance(into, dict):
            raise invalid("Invalid hash", path[0])
    into[last or str(len(into))] = value


def check(given: dict[str, Any], kind: type | None, *, also: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The parameters with their types; raises Problem for one unknown, missing or of another type.

    `kind` is a parameter type of the SDK, None for a request without parameters; `also` are names taken as they are beside it.
    """
    texts = {name: given[name] for name in also & given.keys()}
    rest = {name: value for name, value in given.items() if name not in also}
    return _object(rest, kind, "") | texts


def _object(given: dict[str, Any], kind: type | None, path: str) -> dict[str, Any]:
    fields = _fields(kind) if kind is not None else {}
    for name in given:
        if name not in fields:
            raise unknown(_at(path, name))
    for name, (_, required) in fields.items():
        if required and name not in given:
            raise missing(_at(path, name))
    return {name: _value(value, fields[name][0], _at(path, name)) for name, value in given.items()}


def _at(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


@cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    wanted = {name: hint for name, hint in kind.__annotations__.items() if name not in _OF_A_REQUEST}
    holder = types.SimpleNamespace(__annotations__=wanted)
    names = vars(sys.modules[kind.__module__])
    hints = typing_extensions.get_type_hints(holder, globalns=names, include_extras=True)
    required: frozenset[str] = getattr(kind, "__required_keys__", frozenset())
    return {name: (_bare(hint), name in required) for name, hint in hints.items()}


def _bare(hint: Any) -> Any:
    while typing_extensions.get_origin(hint) in (typing_extensions.NotRequired, typing.NotRequired):
        (hint,) = typing_extensions.get_args(hint)
    return hint


def _members(hint: Any) -> list[Any]:
    if typing_extensions.get_origin(hint) in (typing.Union, types.UnionType):
        return [member for part in typing_extensions.get_args(hint) for member in _members(part)]
    return [hint]


def _value(value: Any, hint: Any, path: str) -> Any:
    members = _members(hint)
    choices = [
        choice for member in members if _is(member, typing.Literal) for choice in typing_extensions.get_args(member)
    ]
    if value == "":
        if "" in choices or (any(member is str for member in members) and not choices):
            return ""
        raise invalid(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; however "
            f"'{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty value.",
            path,
            "parameter_invalid_empty",
        )
    if isinstance(value, dict):
        return _nested(value, members, path)
    return _plain(value, members, [choice for choice in choices if choice], path)


def _is(member: Any, origin: Any) -> bool:
    return typing_extensions.get_origin(member) in (origin, getattr(typing_extensions, "Literal", origin))


def _nested(value: dict[str, Any], members: list[Any], path: str) -> Any:
    for member in members:
        if typing_extensions.get_origin(member) is list and all(key.isdecimal() for key in value):
            (part,) = typing_extensions.get_args(member)
            ordered = sorted(value.items(), key=lambda item: int(item[0]))
            return [_value(one, part, f"{path}[{number}]") for number, one in ordered]
    for member in members:
        if typing_extensions.is_typeddict(member):
            return _object(value, member, path)
    for member in members:
        if typing_extensions.get_origin(member) in (dict, UntypedStripeObject):
            for name, text in value.items():
                if not isinstance(text, str):
                    raise invalid(f"Invalid string: {text}", _at(path, name))
            return dict(value)
    raise invalid("Invalid value: a hash was not expected", path)


def _plain(value: str, members: list[Any], choices: list[str], path: str) -> Any:
    if choices and value in choices:
        return value
    for member in members:
        if member is bool and value in ("true", "false"):
            return value == "true"
        if member is int and value.removeprefix("-").isascii() and value.removeprefix("-").isdecimal():
            return int(value)
    if choices:
        named = ", ".join(choices[:-1]) + (" or " if len(choices) > 1 else "") + choices[-1]
        raise invalid(f"Invalid {path}: must be one of {named}", path)
    if any(member is str for member in members):
        return value
    if any(member is int for member in members):
        raise invalid(f"Invalid integer: {value}", path, "parameter_invalid_integer")
    if any(member is bool for member in members):
        raise invalid(f"Invalid boolean: {value}", path)
    raise invalid("Invalid object", path)


def changed_metadata(known: dict[str, str], given: dict[str, str] | str) -> dict[str, str]:
    """Metadata after an update: an empty value takes a name away, an empty whole takes all. Raises Problem above Stripe's limits."""
    if given == "":
        return {}
    assert isinstance(given, dict)
    for name, value in given.items():
        if len(name) > 40:
            raise invalid(
                f"Metadata keys can be up to 40 characters, but you passed in a key that is {len(name)} characters.",
                "metadata",
            )
        if len(value) > 500:
            raise invalid(
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)} characters.",
                f"metadata[{name}]",
            )
    merged = {name: value for name, value in (known | given).items() if value != ""}
    if len(merged) > 50:
        raise Problem("You can only have up to 50 metadata keys.", param="metadata")
    return merged
