"""Service tokens: who of our own processes calls the internal listener. Signed, for one purpose, for a minute at most."""

import time
from uuid import uuid4

import jwt

from compose.settings import Settings
from edge_api.problems import Problem

HEADER = "x-internal-auth"
TYPE = "service"
AUDIENCE = "video-marketplace-internal"
LIFE_S = 60
SKEW_S = 2
TOKEN_LENGTH_MAX = 2_048
CLAIMS = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"]


class ServiceTokens:
    """Makes service tokens with the first key and reads those of any known key."""

    def __init__(self, settings: Settings) -> None:
        """Take the keys, which are not those of people's tokens, and the issuer from the settings."""
        self._keys = settings.keys_of_services
        self._active = next(iter(self._keys))
        self._issuer = settings.jwt_issuer

    def make(self, service: str, *, at_s: float) -> str:
        """A token with which `service` may call for LIFE_S seconds."""
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": service,
            "jti": uuid4().hex,
            "typ": TYPE,
            "iat": int(at_s),
            "nbf": int(at_s),
            "exp": int(at_s) + LIFE_S,
        }
        return jwt.encode(claims, self._keys[self._active], algorithm="HS256", headers={"kid": self._active})

    def read(self, token: str | None) -> str:
        """Which service calls; raises Problem 401. A token that lives longer than ours is none of ours."""
        if not token or len(token) > TOKEN_LENGTH_MAX:
            raise _refused()
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=["HS256"],
                issuer=self._issuer,
                audience=AUDIENCE,
                leeway=SKEW_S,
                options={"require": CLAIMS},
            )
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise _refused() from None
        short = claims["exp"] - claims["iat"] <= LIFE_S and claims["iat"] <= time.time() + SKEW_S
        if claims.get("typ") != TYPE or not short or not claims["sub"]:
            raise _refused()
        return str(claims["sub"])


def _refused() -> Problem:
    return Problem("service_token_required", "X-Internal-Auth must carry a signed service token that has not expired.")
