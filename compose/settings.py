"""Every setting of every process, typed, in one place; a process refuses to start with one missing or unsafe."""

import base64
import binascii
import os
import re
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import AnyHttpUrl, AnyWebsocketUrl, Field, SecretStr, TypeAdapter, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Role = Literal[
    "edge",
    "live",
    "clock",
    "bids",
    "bid-views",
    "accounts",
    "notifications",
    "transcoding",
    "marker",
    "sendgrid",
    "cloudfront",
    "topics",
    "cli",
]

DATABASE_ROLE: dict[str, str] = {
    "edge": "edge",
    "live": "edge",
    "clock": "clock",
    "bids": "bids",
    "bid-views": "bids",
    "accounts": "accounts",
    "notifications": "notifications",
    "transcoding": "transcoding",
    "marker": "transcoding",
    "cli": "postgres",
}
"""Which Postgres role a process logs in as; a process not named here has no database."""

SECRETS_NEEDED: dict[str, tuple[str, ...]] = {
    "edge": (
        "jwt_keys",
        "sealing_keys",
        "email_hash_key",
        "pseudonym_key",
        "postgres_password_edge",
        "s3_access_key",
        "s3_secret_key",
        "cdn_signing_keys",
        "cdn_origin_secret",
    ),
    "live": ("jwt_keys", "pseudonym_key", "postgres_password_edge"),
    "clock": ("postgres_password_clock",),
    "bids": ("postgres_password_bids",),
    "bid-views": ("postgres_password_bids",),
    "accounts": ("sealing_keys", "email_hash_key", "postgres_password_accounts"),
    "notifications": ("sealing_keys", "sendgrid_api_key", "postgres_password_notifications"),
    "transcoding": (
        "postgres_password_transcoding",
        "s3_access_key",
        "s3_secret_key",
        "cdn_api_access_key",
        "cdn_api_secret_key",
    ),
    "marker": ("postgres_password_transcoding", "s3_access_key", "s3_secret_key", "cdn_origin_secret"),
    "cloudfront": ("cdn_api_access_key", "cdn_api_secret_key"),
    "sendgrid": ("sendgrid_api_key",),
    "topics": (),
    "cli": ("postgres_password_admin",),
}
"""Which secrets a process cannot work without."""

KEYS_OF_OURS = frozenset({"jwt_keys", "sealing_keys", "email_hash_key", "pseudonym_key"})
"""Settings that hold 32 random bytes each."""

PLACEHOLDERS = frozenset({"", "secret", "changeme", "change-me", "password", "default", "example", "test"})
"""Values that people leave in configuration by accident; none is accepted outside the local stack."""

KEY_BYTES = 32


class ConfigurationError(Exception):
    """A process may not start with these settings; the text says which variable to set and how."""


class Settings(BaseSettings):
    """All settings; the variable's name is the field's in capitals (`kafka_bootstrap` is `KAFKA_BOOTSTRAP`)."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    environment: Literal["local", "staging", "production"] = Field(
        "production", description="`local` only for the stack that `compose/local` runs on one machine."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line that is logged."
    )

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka's bootstrap servers, `host:port[,host:port]`.")
    partitions: int = Field(
        12,
        ge=1,
        le=256,
        description="Partitions of every keyed topic; set once, before the first start, never changed.",
    )
    replication_factor: int = Field(1, ge=1, le=5, description="Copies of each partition (3 in production).")
    reply_partitions: int = Field(
        16, ge=1, le=1024, description="Partitions of `replies`: the most edge processes at once."
    )

    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="Redis, with its password.")

    postgres_host: str = Field("127.0.0.1", description="PostgreSQL's host.")
    postgres_port: int = Field(5432, description="PostgreSQL's port.")
    postgres_database: str = Field(
        "marketplace", description="PostgreSQL's database; each worker owns one schema in it."
    )
    postgres_sslmode: Literal["disable", "prefer", "require", "verify-full"] = Field(
        "prefer", description="TLS to PostgreSQL, as libpq names it (`verify-full` in production)."
    )
    postgres_password_edge: SecretStr | None = Field(
        None, description="Password of role `edge` (reads views, writes nothing)."
    )
    postgres_password_clock: SecretStr | None = Field(None, description="Password of role `clock` (reads `bids.due`).")
    postgres_password_bids: SecretStr | None = Field(None, description="Password of role `bids`.")
    postgres_password_accounts: SecretStr | None = Field(None, description="Password of role `accounts`.")
    postgres_password_notifications: SecretStr | None = Field(None, description="Password of role `notifications`.")
    postgres_password_transcoding: SecretStr | None = Field(None, description="Password of role `transcoding`.")
    postgres_password_admin: SecretStr | None = Field(
        None, description="Password of the owner role, for the operators' commands (`marketplace ...`)."
    )

    jwt_keys: SecretStr | None = Field(
        None,
        description="Keys of access tokens, `kid:base64url[,kid:base64url]`, 32 bytes each; the first signs, all verify.",
    )
    jwt_issuer: str = Field("video-marketplace", description="`iss` of access tokens.")
    jwt_audience: str = Field("video-marketplace-api", description="`aud` of access tokens.")
    access_token_s: int = Field(86_400, ge=60, le=86_400, description="Life of an access token, seconds.")
    refresh_token_s: int = Field(604_800, ge=3_600, description="Life of a refresh token, seconds.")
    sealing_keys: SecretStr | None = Field(
        None,
        description="Master keys of sealed fields, `id:base64url[,...]`, 32 bytes each; the first seals, all open.",
    )
    email_hash_key: SecretStr | None = Field(
        None, description="Key of the e-mail look-up hash, base64url, 32 bytes; never changes."
    )
    pseudonym_key: SecretStr | None = Field(
        None, description="Key of bidders' pseudonyms, base64url, 32 bytes; never changes."
    )

    edge_host: str = Field("127.0.0.1", description="Address the edge and the live process listen on.")
    edge_port: int = Field(8080, description="Public port of the edge (HTTP).")
    live_port: int = Field(8081, description="Public port of the live process (WebSocket).")
    internal_host: str = Field("127.0.0.1", description="Address of the internal listener: health, readiness, metrics.")
    internal_port: int = Field(9100, description="Port of the internal listener of this process.")
    worker_slot: int = Field(1, ge=1, description="Which copy of the worker this is; makes the static Kafka member id.")
    public_url: AnyHttpUrl = Field(
        TypeAdapter(AnyHttpUrl).validate_python("http://127.0.0.1:8080"),
        description="The edge as clients see it.",
    )
    live_url: AnyWebsocketUrl = Field(
        TypeAdapter(AnyWebsocketUrl).validate_python("ws://127.0.0.1:8081"),
        description="The live process as clients see it; tickets name it.",
    )
    cors_origins: str = Field("", description="Origins that browsers may call from, comma separated; none by default.")
    trusted_proxies: str = Field("", description="Addresses whose `X-Forwarded-For` is believed, comma separated.")

    decision_wait_ms: int = Field(
        3_000, ge=100, description="How long the edge holds a caller for a decision before 202."
    )
    limit_per_address_per_hour: int = Field(1_000, ge=1, description="Requests per address and hour.")
    limit_per_user_per_minute: int = Field(100, ge=1, description="Requests per user and minute.")
    limit_payments_per_minute: int = Field(20, ge=1, description="Requests to `/payments/*` per user and minute.")
    limit_login_per_minute: int = Field(10, ge=1, description="Requests to `/auth/login` per address and minute.")

    sendgrid_api_key: SecretStr | None = Field(None, description="SendGrid's API key.")
    sendgrid_host: AnyHttpUrl = Field(
        TypeAdapter(AnyHttpUrl).validate_python("https://api.sendgrid.com"),
        description="SendGrid's address, or its stand-in's.",
    )
    mail_from: str = Field("no-reply@marketplace.invalid", description="Sender of our e-mail.")

    s3_endpoint: AnyHttpUrl | None = Field(None, description="S3's address where it is not Amazon's own.")
    s3_public_url: AnyHttpUrl | None = Field(
        None, description="S3 as browsers reach it, for presigned uploads; `S3_ENDPOINT` when not set."
    )
    s3_region: str = Field("us-east-1", description="S3's region.")
    s3_access_key: SecretStr | None = Field(None, description="S3's access key id.")
    s3_secret_key: SecretStr | None = Field(None, description="S3's secret access key.")
    s3_bucket_uploads: str = Field("marketplace-uploads", description="Private bucket of what people upload.")
    s3_bucket_media: str = Field(
        "marketplace-media", description="Private bucket of what is made of it; the CDN's origin."
    )
    cdn_url: AnyHttpUrl = Field(
        TypeAdapter(AnyHttpUrl).validate_python("http://127.0.0.1:8084"),
        description="The CDN as viewers see it: films, pictures, playlists.",
    )
    cdn_signing_keys: SecretStr | None = Field(
        None,
        description="RSA keys of the CDN's trusted key group, `id:base64url[,...]` of the DER; the first signs, the CDN takes all.",
    )
    cdn_origin_secret: SecretStr | None = Field(
        None, description="By which the edge knows the CDN when it asks for a playlist."
    )
    cdn_distribution_id: str = Field("", description="CloudFront's distribution.")
    cdn_api_url: AnyHttpUrl | None = Field(None, description="CloudFront's API where it is not Amazon's own.")
    cdn_api_access_key: SecretStr | None = Field(None, description="CloudFront's access key id (invalidations).")
    cdn_api_secret_key: SecretStr | None = Field(None, description="CloudFront's secret access key.")
    stream_s: int = Field(
        1_800, ge=60, le=21_600, description="Life of the addresses of a film, seconds, when the viewer names none."
    )
    marked_s: int = Field(3_600, ge=60, description="How long a viewer's own rendition is kept, seconds.")
    marked_per_viewer: int = Field(3, ge=1, description="Films of which one viewer may have a rendition of their own.")
    marked_in_all: int = Field(200, ge=1, description="Viewers' own renditions at once, in all.")

    video_bytes_max: int = Field(2 * 2**30, ge=1, description="The largest film that may be uploaded, bytes.")
    video_duration_s_max: int = Field(600, ge=1, description="The longest film, seconds.")
    video_multipart_bytes: int = Field(
        64 * 2**20, ge=0, description="Films above this size are uploaded in parts, bytes."
    )
    video_part_bytes: int = Field(
        16 * 2**20, ge=5 * 2**20, description="Size of each part but the last, bytes (S3 wants 5 MiB at least)."
    )
    video_uploads_open_max: int = Field(20, ge=1, description="Unfinished uploads of one person at once.")
    picture_bytes_max: int = Field(15 * 2**20, ge=1, description="The largest picture that may be uploaded, bytes.")
    upload_signed_s: int = Field(900, ge=30, le=43_200, description="Life of a signed upload address, seconds.")
    upload_open_s: int = Field(86_400, ge=60, description="How long an upload may take before it is given up, seconds.")
    upload_looked_after_s: int = Field(
        60, ge=1, description="How often an open upload is looked at: a finished one is taken though nobody said so."
    )
    video_scratch: str = Field("/tmp/marketplace-transcoding", description="Folder for films in work.")  # noqa: S108
    video_scratch_bytes_max: int = Field(
        20 * 2**30, ge=1, description="The most that films in work may take of the disk, bytes, in each process."
    )
    video_encodes_at_once: int = Field(
        0, ge=0, description="Encodes at once in each transcoding process; 0 means one per core."
    )

    @field_validator("jwt_keys", "sealing_keys")
    @classmethod
    def _keys_are_readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_keys(value.get_secret_value())
        return value

    @field_validator("email_hash_key", "pseudonym_key")
    @classmethod
    def _key_is_readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_key(value.get_secret_value())
        return value

    @field_validator("cdn_signing_keys")
    @classmethod
    def _signing_keys_are_readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_signing_keys(value.get_secret_value())
        return value

    def database_url(self, role: str) -> str:
        """Address of PostgreSQL for a process; raises ConfigurationError when its password is not set."""
        user = DATABASE_ROLE[role]
        variable = "postgres_password_admin" if user == "postgres" else f"postgres_password_{user}"
        password: SecretStr | None = getattr(self, variable)
        if password is None:
            raise ConfigurationError(f"{variable.upper()} is not set: {role} cannot log in to PostgreSQL.")
        return (
            f"postgresql://{user}:{quote(password.get_secret_value(), safe='')}"
            f"@{self.postgres_host}:{self.postgres_port}/{self.postgres_database}?sslmode={self.postgres_sslmode}"
        )

    @property
    def keys_of_tokens(self) -> dict[str, bytes]:
        """Keys of access tokens by `kid`; the first signs."""
        return parse_keys(_present(self.jwt_keys, "JWT_KEYS"))

    @property
    def keys_of_seals(self) -> dict[str, bytes]:
        """Master keys of sealed fields by id; the first seals."""
        return parse_keys(_present(self.sealing_keys, "SEALING_KEYS"))

    @property
    def email_hash_secret(self) -> bytes:
        """Key of the e-mail look-up hash, 32 bytes."""
        return parse_key(_present(self.email_hash_key, "EMAIL_HASH_KEY"))

    @property
    def pseudonym_secret(self) -> bytes:
        """Key of bidders' pseudonyms, 32 bytes."""
        return parse_key(_present(self.pseudonym_key, "PSEUDONYM_KEY"))

    @property
    def keys_of_cdn(self) -> dict[str, bytes]:
        """RSA keys in DER by the id of their key pair; the first signs."""
        return parse_signing_keys(_present(self.cdn_signing_keys, "CDN_SIGNING_KEYS"))

    @property
    def origin_secret(self) -> str:
        """By which the CDN shows that it asks."""
        return _present(self.cdn_origin_secret, "CDN_ORIGIN_SECRET")

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins that browsers may call from."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())


def _present(value: SecretStr | None, variable: str) -> str:
    if value is None:
        raise ConfigurationError(f"{variable} is not set.")
    return value.get_secret_value()


def parse_key(text: str) -> bytes:
    """Decode one base64url key of 32 bytes; raises ValueError otherwise."""
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64url") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"{len(key)} bytes long, must be {KEY_BYTES}")
    return key


def parse_keys(text: str) -> dict[str, bytes]:
    """Decode `id:base64url[,id:base64url]`; the order is kept, the first is the active one. Raises ValueError."""
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, colon, key = part.strip().partition(":")
        if not colon or not key_id or "." in key_id:
            raise ValueError("each key must read id:base64url, the id without a dot")
        keys[key_id] = parse_key(key)
    return keys


def parse_signing_keys(text: str) -> dict[str, bytes]:
    """Decode `id:base64url[,id:base64url]` of RSA keys in DER; the first is the active one. Raises ValueError."""
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, colon, key = part.strip().partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]+", key_id):
            raise ValueError("each key must read id:base64url")
        try:
            keys[key_id] = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        except (binascii.Error, ValueError) as error:
            raise ValueError("not base64url") from error
    return keys


def load(role: Role) -> Settings:
    """Read the settings of a process from its environment and the file that `MARKETPLACE_ENV` names.

    Raises ConfigurationError, in words for an operator, when one is missing, unreadable or unsafe.
    """
    env_file = os.environ.get("MARKETPLACE_ENV")
    if env_file and not Path(env_file).is_file():
        raise ConfigurationError(
            f"MARKETPLACE_ENV names {env_file}, which does not exist: run `compose/local up` first."
        )
    return _load(role, env_file)


@cache
def _load(role: Role, env_file: str | None) -> Settings:
    try:
        settings = Settings(_env_file=env_file)
    except ValueError as error:
        # pydantic's text repeats the input, which may be a secret: name only the variable and the reason.
        reasons = [
            f"{'.'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in getattr(error, "errors", lambda **_: [])(include_input=False, include_url=False)
        ]
        raise ConfigurationError("Settings that cannot be used: " + "; ".join(reasons)) from None
    problems = [*_missing(settings, role), *_unsafe(settings, role)]
    if problems:
        raise ConfigurationError(f"{role} does not start: " + " ".join(problems))
    return settings


def _missing(settings: Settings, role: Role) -> list[str]:
    return [f"{name.upper()} is not set." for name in SECRETS_NEEDED[role] if getattr(settings, name) is None]


def _unsafe(settings: Settings, role: Role) -> list[str]:
    if settings.environment == "local":
        return []
    problems = []
    for name in SECRETS_NEEDED[role]:
        secret: SecretStr | None = getattr(settings, name)
        if secret is None:
            continue
        value = secret.get_secret_value()
        if value.lower() in PLACEHOLDERS or len(value) < 12:
            problems.append(f"{name.upper()} is a default or too short for {settings.environment}.")
        elif name in KEYS_OF_OURS and _is_weak(value):
            problems.append(f"{name.upper()} holds a key of repeated bytes.")
    return problems


def _is_weak(text: str) -> bool:
    keys = parse_keys(text).values() if ":" in text else [parse_key(text)]
    return any(len(set(key)) < KEY_BYTES // 4 for key in keys)


def table() -> str:
    """The settings as a Markdown table: variable, meaning, default (README of compose/ holds it)."""
    rows = ["| variable | meaning | default | needed by |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        needed = ", ".join(role for role, names in SECRETS_NEEDED.items() if name in names)
        rows.append(
            f"| `{name.upper()}` | {field.description} | {f'`{default}`' if default != '' else ''} | {needed} |"
        )
    return "\n".join(rows) + "\n"
