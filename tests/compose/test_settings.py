"""A process starts with sound settings or says which one is not."""

import base64
from pathlib import Path

import pytest

from compose import settings
from compose.settings import SECRETS_NEEDED, ConfigurationError, Settings, load, table

pytestmark = pytest.mark.quick

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
SOUND = {
    "JWT_KEYS": f"k1:{KEY}",
    "SEALING_KEYS": f"k1:{KEY}",
    "EMAIL_HASH_KEY": KEY,
    "PSEUDONYM_KEY": KEY,
    "SENDGRID_API_KEY": "SG.a-long-enough-key",
    "STRIPE_SECRET_KEY": "sk_test_a-long-enough-key",
    "STRIPE_WEBHOOK_SECRET": "whsec_a-long-enough-secret",
    "SERVICE_KEYS": f"k1:{KEY}",
    "S3_ACCESS_KEY": "long-enough-access-key",
    "S3_SECRET_KEY": "long-enough-secret-key",
    "CDN_SIGNING_KEYS": f"K1:{KEY}",
    "CDN_ORIGIN_SECRET": "long-enough-secret",
    "CDN_API_ACCESS_KEY": "long-enough-access-key",
    "CDN_API_SECRET_KEY": "long-enough-secret-key",
    **{
        f"POSTGRES_PASSWORD_{role}": "long-enough-password"
        for role in (
            *("EDGE", "CLOCK", "BIDS", "ACCOUNTS", "NOTIFICATIONS", "INDEXING", "PAYMENTS", "TRANSCODING", "ADMIN"),
        )
    },
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("MARKETPLACE_ENV", raising=False)
    for name, value in SOUND.items():
        monkeypatch.setenv(name, value)
    settings._load.cache_clear()
    return monkeypatch


@pytest.mark.parametrize("role", sorted(SECRETS_NEEDED))
def test_every_process_starts_in_production_with_sound_secrets(
    role: settings.Role, environment: pytest.MonkeyPatch
) -> None:
    assert load(role).environment == "production"


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in SECRETS_NEEDED.items() for name in names])
def test_a_process_without_a_secret_of_its_own_does_not_start(
    role: settings.Role, name: str, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv(name.upper())

    with pytest.raises(ConfigurationError, match=f"{name.upper()} is not set"):
        load(role)


@pytest.mark.parametrize("value", ["changeme", "password", "short"])
def test_a_default_password_is_refused_in_production_and_tolerated_in_the_local_stack(
    value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("POSTGRES_PASSWORD_BIDS", value)
    with pytest.raises(ConfigurationError, match="POSTGRES_PASSWORD_BIDS is a default or too short"):
        load("bids")

    environment.setenv("ENVIRONMENT", "local")
    settings._load.cache_clear()
    assert load("bids").environment == "local"


def test_a_key_of_repeated_bytes_is_refused_in_production(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JWT_KEYS", "k1:" + base64.urlsafe_b64encode(b"a" * 32).decode())

    with pytest.raises(ConfigurationError, match="repeated bytes"):
        load("edge")


@pytest.mark.parametrize("value", ["x", "k1:short", f"k1{KEY}", f"k.1:{KEY}", "k1:" + "A" * 44])
def test_an_unreadable_key_is_named_and_not_repeated(value: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JWT_KEYS", value)

    with pytest.raises(ConfigurationError, match="JWT_KEYS") as refusal:
        load("edge")

    assert value not in str(refusal.value) or value == "x"


def test_a_missing_environment_file_is_named_with_what_to_do(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("MARKETPLACE_ENV", str(tmp_path / "nowhere"))

    with pytest.raises(ConfigurationError, match="compose/local up"):
        load("edge")


def test_a_password_with_signs_reaches_the_database_address_quoted() -> None:
    found = Settings(postgres_password_bids="a/b@c:d").database_url("bids")

    assert "a%2Fb%40c%3Ad@" in found


def test_the_table_in_the_readme_is_the_one_of_today() -> None:
    assert table() in (Path(settings.__file__).parent / "README.md").read_text(), "run marketplace settings"


def test_every_setting_has_its_meaning() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
