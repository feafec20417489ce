"""The environment file: secrets of the stack's own, kept, readable by its owner only, sufficient for every process."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from compose import envfile, settings
from compose.stack import Stack

pytestmark = pytest.mark.quick


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack("mine", 3000, tmp_path)


def test_only_the_owner_can_read_it(stack: Stack) -> None:
    envfile.write(stack)

    assert stat.S_IMODE(stack.env_file.stat().st_mode) == 0o600


def test_secrets_stay_when_it_is_written_again(stack: Stack) -> None:
    assert envfile.write(stack) == envfile.write(stack)


def test_two_stacks_share_no_secret(stack: Stack, tmp_path: Path) -> None:
    mine, other = envfile.write(stack), envfile.write(Stack("other", 4000, tmp_path))

    assert all(mine[name] != other[name] for name in envfile.fresh_secrets())


def test_a_secret_that_a_newer_version_needs_is_added_and_the_others_stay(stack: Stack) -> None:
    before = envfile.write(stack)
    text = stack.env_file.read_text()
    stack.env_file.write_text("".join(f"{line}\n" for line in text.splitlines() if not line.startswith("JWT_KEYS=")))

    after = envfile.write(stack)

    assert after["JWT_KEYS"].startswith("jwt-1:")
    assert {name for name in before if before[name] != after[name]} == {"JWT_KEYS"}


def test_addresses_follow_the_stacks_ports(stack: Stack) -> None:
    written = envfile.write(stack)

    assert written["PUBLIC_URL"] == f"http://127.0.0.1:{stack.port('edge')}"
    assert urlsplit(written["REDIS_URL"]).port == stack.port("redis")
    assert urlsplit(written["REDIS_URL"]).password == written["REDIS_PASSWORD"]


def test_an_account_of_ones_own_at_stripe_stays_when_it_is_written_again(stack: Stack) -> None:
    assert envfile.write(stack)["STRIPE_API_BASE"] == f"http://127.0.0.1:{stack.port('stripe')}"
    own = {"STRIPE_API_BASE": "https://api.stripe.com", "STRIPE_SECRET_KEY": "sk_test_of_ones_own"}
    text = "".join(f"{name}={value}\n" for name, value in (envfile.read(stack.env_file) | own).items())
    stack.env_file.write_text(text)

    after = envfile.write(stack)

    assert own.items() <= after.items()
    assert after["STRIPE_SANDBOX_PORT"] == str(stack.port("stripe"))


@pytest.mark.parametrize("role", sorted(settings.SECRETS_NEEDED))
def test_every_process_starts_with_it(stack: Stack, monkeypatch: pytest.MonkeyPatch, role: settings.Role) -> None:
    envfile.write(stack)
    monkeypatch.setenv("MARKETPLACE_ENV", str(stack.env_file))

    assert settings.load(role).environment == "local"


def test_a_variable_of_the_shell_does_not_win_over_the_stacks(stack: Stack) -> None:
    envfile.write(stack)
    shell = {"REDIS_URL": "redis://elsewhere", "LOG_LEVEL": "debug", "MARKETPLACE_ENV": "another"}

    assert envfile.environment(stack, shell) == {"LOG_LEVEL": "debug", "MARKETPLACE_ENV": str(stack.env_file)}


def test_it_is_what_the_roles_in_postgres_are_made_from(stack: Stack) -> None:
    from compose.servers.postgres import roles_sql

    sql = roles_sql(envfile.write(stack))

    for role in (*envfile.SCHEMA_OWNERS, *envfile.READERS):
        assert f"ALTER ROLE {role} LOGIN NOSUPERUSER" in sql
    assert "CREATE SCHEMA IF NOT EXISTS bids AUTHORIZATION bids;" in sql


def test_a_password_that_would_break_out_of_its_quotes_is_refused(stack: Stack) -> None:
    from compose.servers.postgres import roles_sql

    with pytest.raises(ValueError, match="password of bids"):
        roles_sql(envfile.write(stack) | {"POSTGRES_PASSWORD_BIDS": "x'; DROP ROLE edge; --"})
