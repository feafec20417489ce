"""What Stripe refuses, in its own words and shape (API reference, Errors; Error codes)."""

from typing import Any

DOCS = "https://stripe.com/docs/error-codes/"


class Problem(Exception):
    """An answer other than 200. `kept`: it came of an endpoint that had begun to work, so its idempotency key remembers it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's name
        code: str | None = None,
        param: str | None = None,
        kept: bool = True,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kept = kept
        self.error: dict[str, Any] = {"message": message, "type": type}
        if code is not None:
            self.error |= {"code": code, "doc_url": DOCS + code.replace("_", "-")}
        if param is not None:
            self.error["param"] = param
        self.error |= more or {}


def missing(param: str) -> Problem:
    """A parameter that must be there is not."""
    return Problem(f"Missing required param: {param}.", code="parameter_missing", param=param, kept=False)


def unknown(param: str) -> Problem:
    """No parameter has this name."""
    return Problem(f"Received unknown parameter: {param}", code="parameter_unknown", param=param, kept=False)


def invalid(message: str, param: str, code: str | None = None) -> Problem:
    """A parameter's value is none."""
    return Problem(message, param=param, code=code, kept=False)


def no_such(kind: str, object_id: str, param: str = "id", *, status: int = 404) -> Problem:
    """Nothing has this id; 404 when the address names it, 400 when a parameter does."""
    return Problem(f"No such {kind}: '{object_id}'", status=status, code="resource_missing", param=param)


def unauthorised(message: str, code: str | None = None) -> Problem:
    """The key is none, or may not do this."""
    return Problem(message, status=401, code=code, kept=False)


def wrong_state(what: str, message: str, more: dict[str, Any]) -> Problem:
    """The object is not in a state from which this can be done; `what` is `payment_intent` or `setup_intent`."""
    return Problem(message, code=f"{what}_unexpected_state", more=more)
