"""Fault switches that every stand-in shares: late answers, refusals before or after the effect, effects that happen twice."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LATENCY_MS_MAX = 60_000


class Fault(BaseModel):
    """One switch. It hits requests whose path begins with `path`, `times` times (for ever when absent), each with `probability`;
    only those of one `method` if one is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "/"
    method: str | None = None
    latency_ms: int = Field(0, ge=0, le=LATENCY_MS_MAX)
    status: int | None = Field(None, ge=400, le=599)
    when: Literal["before", "after"] = "before"
    times: int | None = Field(None, ge=1)
    probability: float = Field(1.0, gt=0, le=1)
    duplicates: int = Field(0, ge=0, le=100)
    retry_after_s: int | None = Field(None, ge=0, le=3_600)


class Faults:
    """The switches that are on; they are forgotten when the stand-in restarts."""

    def __init__(self, *, seed: int | None = None) -> None:
        """Start with none; a `seed` makes chance repeatable."""
        self._chance = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self._numbers = itertools.count(1)
        self._on: dict[int, Fault] = {}
        self._left: dict[int, int] = {}

    def add(self, fault: Fault) -> int:
        """Turn a switch on; returns its number."""
        number = next(self._numbers)
        self._on[number] = fault
        if fault.times is not None:
            self._left[number] = fault.times
        return number

    def clear(self) -> None:
        """Turn all switches off."""
        self._on.clear()
        self._left.clear()

    def draw(self, path: str, method: str = "POST") -> Fault | None:
        """The fault that this request meets, the oldest that fits; counts down its `times`."""
        for number, fault in self._on.items():
            fits = path.startswith(fault.path) and fault.method in (None, method)
            if fits and self._chance.random() < fault.probability:
                self._count_down(number)
                return fault
        return None

    def _count_down(self, number: int) -> None:
        if number not in self._left:
            return
        self._left[number] -= 1
        if self._left[number] == 0:
            del self._on[number], self._left[number]

    def listed(self) -> list[dict[str, object]]:
        """Every switch that is on, with how often it will still hit."""
        return [fault.model_dump() | {"number": n, "left": self._left.get(n)} for n, fault in self._on.items()]


async def meet(
    fault: Fault | None, effect: Callable[[], Awaitable[Response]], refusal: Callable[[Fault], Response]
) -> Response:
    """Answer a request under a fault: `effect` does what the provider does, `refusal` speaks the provider's error body.

    `before`: the request is late or refused and nothing has happened. `after`: it has happened, and the caller hears
    late or wrongly of it, which is how an outcome becomes unknown.
    """
    if fault is None:
        return await effect()
    if fault.when == "before":
        await asyncio.sleep(fault.latency_ms / 1000)
        if fault.status is not None:
            return refusal(fault)
    answer = await effect()
    for _ in range(fault.duplicates):
        await effect()
    if fault.when == "after":
        await asyncio.sleep(fault.latency_ms / 1000)
        if fault.status is not None:
            return refusal(fault)
    return answer


def switch_routes(faults: Faults) -> list[Route]:
    """`GET | POST | DELETE /sandbox/faults`: list the switches, turn one on, turn all off."""

    async def listed(_: Request) -> Response:
        return JSONResponse({"items": faults.listed()})

    async def turn_on(request: Request) -> Response:
        try:
            fault = Fault.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"errors": error.errors(include_url=False, include_context=False)}, 422)
        return JSONResponse(fault.model_dump() | {"number": faults.add(fault)}, 201)

    async def turn_off(_: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    return [
        Route("/sandbox/faults", listed, methods=["GET"]),
        Route("/sandbox/faults", turn_on, methods=["POST"]),
        Route("/sandbox/faults", turn_off, methods=["DELETE"]),
    ]
