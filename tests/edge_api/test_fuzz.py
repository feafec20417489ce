"""Requests made from our own OpenAPI document, good and bad: never a 5xx, never an answer that it does not describe."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import jsonschema
import jsonschema.validators
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from compose.settings import Settings
from edge_api.app import api
from edge_api.openapi import describe
from edge_api.tokens import Tokens
from tests.edge_api.doorway import new_id

pytestmark = pytest.mark.stack

DOCUMENT = describe(api())
NOBODYS = ("route_not_found", "method_not_allowed")
EXAMPLES_PER_ROUTE = 8
FUZZ = schemathesis.openapi.from_dict(DOCUMENT)


def _whole_steps(_validator: Any, step: float, value: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """`multipleOf` by the digits as they are written: as floats, 565.55 is no multiple of 0.01."""
    if isinstance(value, int | float) and Decimal(repr(value)) % Decimal(repr(step)):
        yield jsonschema.ValidationError(f"{value} is not a multiple of {step}")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"multipleOf": _whole_steps})


@FUZZ.parametrize()
@settings(
    max_examples=EXAMPLES_PER_ROUTE,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_an_answer_is_as_the_document_says(case: Any, stack: Settings) -> None:
    # Somebody else each time: one person may ask a hundred times a minute only.
    token = Tokens(stack).make(new_id(), ("buyer", "seller"), str(new_id()), at=time.time() - 1)
    base = str(stack.public_url).rstrip("/")

    answer = case.call(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    documented = case.operation.definition.raw["responses"]
    status = str(answer.status_code)
    assert answer.status_code < 500, answer.text
    # A method that the document does not name, or a path that is no longer the route's, is nobody's route.
    if answer.headers["content-type"] == ["application/problem+json"] and answer.json()["code"] in NOBODYS:
        return
    assert status in documented, f"{status} {answer.text[:300]}"
    media_type = answer.headers["content-type"][0].partition(";")[0]
    assert media_type == ("application/json" if answer.status_code < 300 else "application/problem+json")
    described = documented[status]["content"][media_type]
    validator = Validator({**described["schema"], "components": DOCUMENT["components"]})
    validator.validate(answer.json())
    if answer.status_code >= 400:
        assert answer.json()["code"] in described["examples"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "PROPFIND"])
async def test_no_method_of_any_route_breaks_it(method: str, http: httpx.AsyncClient) -> None:
    for path in DOCUMENT["paths"]:
        answer = await http.request(method, path.replace("/api/v1", "").replace("{", "").replace("}", ""))
        assert answer.status_code < 500, f"{method} {path}: {answer.text}"
