"""Read a JSON body into its model, exactly: amounts as written, types as declared, nothing unknown, nothing twice."""

import re
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge_api.problems import FieldError, Problem, fields, invalid
from schemas.envelope import Request
from schemas.money import UnreadableJson, loads

Model = TypeVar("Model", bound=Request)

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")


def read(model: type[Model], body: bytes) -> Model:
    """The body as its model; raises Problem 400 for no JSON of ours and 422 naming each wrong field.

    It is validated twice: from the exact text, since a JSON parser that makes floats loses amounts and lets exponents
    pass; and strictly from JSON, since Python values let "yes" pass for true and 1.5 for a title.
    """
    try:
        said = loads(body)
    except UnreadableJson as error:
        raise Problem("malformed_json", str(error), errors=[FieldError("body", "malformed_json", str(error))]) from None
    if not isinstance(said, dict):
        raise invalid("body", "must be a JSON object", code="object")
    try:
        found = model.model_validate(said, by_alias=True, by_name=False)
        model.model_validate_json(body, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise fields(error.errors(include_url=False, include_context=False, include_input=False)) from None
    _check_times(found, said, "")
    return found


def _check_times(model: BaseModel, said: dict[str, Any], path: str) -> None:
    """A time is RFC 3339 with its offset; pydantic would also take seconds since 1970 in quotes."""
    for name, field in type(model).model_fields.items():
        value, text = getattr(model, name), said.get(field.alias or name)
        if isinstance(value, datetime) and not (isinstance(text, str) and _RFC3339.fullmatch(text)):
            raise invalid(
                f"{path}{field.alias}", "must be a time as in RFC 3339, with its offset from UTC", code="time"
            )
        if isinstance(value, BaseModel) and isinstance(text, dict):
            _check_times(value, text, f"{path}{field.alias}.")


def written(model: BaseModel) -> bytes:
    """A model as the JSON of a command's `data`: camelCase, what is absent left out, always in one order."""
    return model.model_dump_json(by_alias=True, exclude_none=True).encode()
