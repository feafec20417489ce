"""Access tokens: only ours, only now, only what they are for."""

import time
import warnings
from typing import Any
from uuid import uuid4

import jwt
import pytest
from jwt.warnings import InsecureKeyLengthWarning

from compose.settings import parse_key
from edge_api.problems import Problem
from edge_api.tokens import RefreshTokens, Tokens
from tests.edge_api.doorway import ANNA, KEY, MINA, OTHER_KEY, new_id, settings

pytestmark = pytest.mark.quick

SESSION = str(uuid4())


def claims(**more: Any) -> dict[str, Any]:
    now = time.time()
    good = {
        "iss": "video-marketplace",
        "aud": "video-marketplace-api",
        "sub": str(ANNA),
        "roles": ["buyer"],
        "sid": SESSION,
        "jti": "t1",
        "typ": "access",
        "iat": now,
        "nbf": now,
        "exp": now + 3_600,
    }
    return {name: value for name, value in {**good, **more}.items() if value is not None}


def signed(said: dict[str, Any], *, key: str = KEY, kid: str | None = "old", algorithm: str = "HS256") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        return jwt.encode(said, parse_key(key), algorithm=algorithm, headers={"kid": kid} if kid else None)


def refusal(token: str) -> str:
    with pytest.raises(Problem) as raised:
        Tokens(settings()).read(token)
    assert raised.value.status_code == 401
    return raised.value.code


def test_a_token_says_who_speaks() -> None:
    tokens = Tokens(settings())

    caller = tokens.read(tokens.make(ANNA, ("buyer", "seller"), SESSION, at=time.time()))

    assert (caller.user_id, caller.roles, caller.session_id) == (ANNA, ("buyer", "seller"), SESSION)


def test_a_token_lives_as_long_as_the_specification_says() -> None:
    tokens = Tokens(settings())

    caller = tokens.read(tokens.make(ANNA, ("buyer",), SESSION, at=time.time()))

    assert 86_399 <= caller.expires_at - caller.issued_at <= 86_400


def test_two_keys_are_taken_while_they_rotate_and_the_first_signs() -> None:
    before = Tokens(settings(jwt_keys=f"old:{KEY}"))
    after = Tokens(settings(jwt_keys=f"new:{OTHER_KEY},old:{KEY}"))

    old = before.make(ANNA, ("buyer",), SESSION, at=time.time())
    new = after.make(ANNA, ("buyer",), SESSION, at=time.time())

    assert after.read(old).user_id == ANNA
    assert jwt.get_unverified_header(new)["kid"] == "new"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b.c", id="no token"),
        pytest.param("x" * 5_000, id="endless"),
        pytest.param(signed(claims(), key=OTHER_KEY), id="another key"),
        pytest.param(signed(claims(), kid="unknown"), id="an unknown key id"),
        pytest.param(signed(claims(), kid=None), id="no key id"),
        pytest.param(signed(claims(), algorithm="HS512"), id="another algorithm"),
        pytest.param(jwt.encode(claims(), "", algorithm="none", headers={"kid": "old"}), id="no signature"),
        pytest.param(signed(claims(iss="elsewhere")), id="another issuer"),
        pytest.param(signed(claims(aud="elsewhere")), id="another audience"),
        pytest.param(signed(claims(typ="refresh")), id="another type"),
        pytest.param(signed(claims(nbf=time.time() + 3_600)), id="not yet"),
        pytest.param(signed(claims(iat=time.time() + 3_600)), id="made in the future"),
        pytest.param(signed(claims(sub="anna")), id="no user id"),
        pytest.param(signed(claims(roles="admin")), id="roles that are no list"),
        *(
            pytest.param(signed(claims(**{name: None})), id=f"without {name}")
            for name in ("iss", "aud", "sub", "roles", "sid", "jti", "typ", "iat", "nbf", "exp")
        ),
    ],
)
def test_a_token_that_is_not_quite_ours_is_not_valid(token: str) -> None:
    assert refusal(token) == "invalid_token"


def test_an_old_token_says_that_it_has_expired() -> None:
    assert refusal(signed(claims(exp=time.time() - 1))) == "token_expired"


def test_a_token_that_was_good_a_moment_ago_expires_all_the_same() -> None:
    tokens = Tokens(settings(access_token_s=60))
    token = tokens.make(ANNA, ("buyer",), SESSION, at=time.time() - 30)
    tokens.read(token)
    known = tokens._known[token]
    tokens._known[token] = known._replace(expires_at=time.time() - 0.001)

    with pytest.raises(Problem) as raised:
        tokens.read(token)

    assert raised.value.code == "token_expired"


def test_the_refresh_token_of_a_command_is_always_the_same_and_of_no_other() -> None:
    made = RefreshTokens(settings())
    command, session = new_id(), uuid4()

    token = made.of_command(command, ANNA, session)

    assert made.of_command(command, ANNA, session) == token
    assert made.of_command(new_id(), ANNA, session).secret != token.secret
    assert made.of_command(command, MINA, session).secret != token.secret
    assert RefreshTokens(settings(jwt_keys=f"k:{OTHER_KEY}")).of_command(command, ANNA, session).secret != token.secret


def test_a_refresh_token_is_read_back_and_only_its_hash_is_told() -> None:
    token = RefreshTokens(settings()).of_command(new_id(), ANNA, uuid4())

    assert RefreshTokens.read(token.text) == token
    assert token.secret not in token.hash


@pytest.mark.parametrize("text", ["", "abc", "a.b.c", f"{ANNA}.{ANNA}", f"{ANNA}.{ANNA}.x.y", f"{ANNA}.nobody.x"])
def test_what_is_no_refresh_token_is_not_valid(text: str) -> None:
    with pytest.raises(Problem) as raised:
        RefreshTokens.read(text)

    assert raised.value.code == "invalid_token"
