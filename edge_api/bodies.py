"""Read a JSON body into its model, exactly: amounts as written, types as declared, nothing unknown, nothing twice."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge_api.problems import FieldError, Problem, fields, invalid
from schemas.envelope import Request
from schemas.money import UnreadableJson, loads

Model = TypeVar("Model", bound=Request)


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
    except ValidationError as error:
        raise fields(_errors(error)) from None
    if loose := _loose(model, body):
        raise fields(loose)
    return found


def _loose(model: type[Request], body: bytes) -> list[Any]:
    """What pydantic took for what it is not."""
    try:
        model.model_validate_json(body, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        # Times check their own text (schemas.envelope.Time), which strict JSON does not see through.
        return [one for one in _errors(error) if one["type"] != "datetime_type"]
    return []


def _errors(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_context=False, include_input=False))


def written(model: BaseModel) -> bytes:
    """A model as the JSON of a command's `data`: camelCase, what is absent left out, always in one order."""
    return model.model_dump_json(by_alias=True, exclude_none=True).encode()
