"""Access tokens (JWT, HS256) and refresh tokens: made and read here, nowhere else."""

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt

from compose.settings import Settings
from edge_api.problems import Problem
from schemas.envelope import Actor

TYPE = "access"
CLAIMS = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"]
TOKEN_LENGTH_MAX = 2_048
KNOWN_MAX = 10_000
SKEW_S = 2
"""How far the clocks of two edge processes may lie apart."""


class Caller(NamedTuple):
    """Who speaks, as the token says; `issued_at` and `expires_at` in seconds since 1970."""

    user_id: UUID
    roles: tuple[str, ...]
    session_id: str
    token_id: str
    issued_at: float
    expires_at: float

    @property
    def actor(self) -> Actor:
        """The speaker as a command's header names it."""
        return Actor(str(self.user_id), self.roles)


class Tokens:
    """Makes access tokens with the first key and reads those of any known key."""

    def __init__(self, settings: Settings) -> None:
        """Take the keys, issuer, audience and life of tokens from the settings."""
        self._keys = settings.keys_of_tokens
        self._active = next(iter(self._keys))
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self.life_s = settings.access_token_s
        self._known: OrderedDict[str, Caller] = OrderedDict()

    def make(self, user_id: UUID, roles: tuple[str, ...], session_id: str, *, at: float) -> str:
        """A fresh access token. `iat` has its fraction: a revocation in the same second must tell before from after."""
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "roles": list(roles),
            "sid": session_id,
            "jti": uuid4().hex,
            "typ": TYPE,
            "iat": round(at, 3),
            "nbf": round(at, 3),
            "exp": int(at) + self.life_s,
        }
        return jwt.encode(claims, self._keys[self._active], algorithm="HS256", headers={"kid": self._active})

    def read(self, token: str) -> Caller:
        """Who a token speaks for; raises Problem 401. Whether it was revoked is not known here."""
        caller = self._known.get(token)
        if caller is None:
            caller = self._verified(token)
            self._known[token] = caller
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        if caller.expires_at <= time.time():
            raise Problem("token_expired", "The access token has expired; refresh it.", headers=CHALLENGE)
        return caller

    def _verified(self, token: str) -> Caller:
        if len(token) > TOKEN_LENGTH_MAX:
            raise _not_valid()
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=["HS256"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=SKEW_S,
                options={"require": CLAIMS},
            )
            return _caller_of(claims)
        except jwt.ExpiredSignatureError:
            raise Problem("token_expired", "The access token has expired; refresh it.", headers=CHALLENGE) from None
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise _not_valid() from None


CHALLENGE = {"WWW-Authenticate": 'Bearer realm="video-marketplace"'}


def _caller_of(claims: dict[str, Any]) -> Caller:
    roles, session_id = claims["roles"], claims["sid"]
    if claims["typ"] != TYPE or not isinstance(roles, list) or not isinstance(session_id, str):
        raise ValueError("not an access token")
    return Caller(
        user_id=UUID(claims["sub"]),
        roles=tuple(str(role) for role in roles),
        session_id=session_id,
        token_id=str(claims["jti"]),
        issued_at=float(claims["iat"]),
        expires_at=float(claims["exp"]),
    )


def _not_valid() -> Problem:
    return Problem("invalid_token", "The access token is not valid.", headers=CHALLENGE)


class RefreshToken(NamedTuple):
    """`<userId>.<sessionId>.<secret>`; only its hash travels."""

    user_id: UUID
    session_id: UUID
    secret: str

    @property
    def text(self) -> str:
        """As the client holds it."""
        return f"{self.user_id}.{self.session_id}.{self.secret}"

    @property
    def hash(self) -> str:
        """SHA-256 of the secret, hex."""
        return sha256_hex(self.secret)


class RefreshTokens:
    """Makes the refresh token that a command's session gets: the same for the same command, so that a repeated login
    or refresh (Idempotency-Key, GET /commands/{id}) answers as the first one did and no secret has to be stored.
    """

    def __init__(self, settings: Settings) -> None:
        """Derive the key from the first token key, which no worker has."""
        active = next(iter(settings.keys_of_tokens.values()))
        self._key = hmac.digest(active, b"refresh-token", "sha256")

    def of_command(self, command_id: UUID, user_id: UUID, session_id: UUID) -> RefreshToken:
        """The token whose secret, 256 bits, nobody can tell from the command's id without the key."""
        secret = hmac.digest(self._key, command_id.bytes + user_id.bytes + session_id.bytes, "sha256")
        return RefreshToken(user_id, session_id, base64.urlsafe_b64encode(secret).rstrip(b"=").decode())

    @staticmethod
    def read(text: str) -> RefreshToken:
        """The parts of a token that a client shows; raises Problem 401. Whether it is right, accounts decides."""
        parts = text.split(".")
        try:
            user_id, session_id, secret = parts
            return RefreshToken(UUID(user_id), UUID(session_id), secret)
        except ValueError:
            raise Problem("invalid_token", "The refresh token is not valid.") from None


def read_mailed(text: str) -> tuple[UUID, str]:
    """The user of a token `<userId>.<secret>` from an e-mail; raises ValueError."""
    user_id, _, secret = text.partition(".")
    if not secret:
        raise ValueError("no token of ours")
    return UUID(user_id), secret


def sha256_hex(text: str) -> str:
    """SHA-256 of a text, hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
