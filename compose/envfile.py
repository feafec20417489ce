"""The stack's environment: addresses and secrets as KEY=VALUE lines, readable by its owner only, read through MARKETPLACE_ENV."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import base64
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from compose.stack import Stack, replace
from compose.trouble import Trouble

DATABASE = "marketplace"
# One Postgres role per owner of data or reader of views; a worker's role owns the schema of the same name.
SCHEMA_OWNERS = ("bids", "accounts", "notifications", "indexing", "payments", "transcoding")
READERS = ("edge", "clock")
ADMIN = "postgres"


def key() -> str:
    """32 random bytes as base64url without padding."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def addresses(stack: Stack) -> dict[str, str]:
    """What follows from the stack's name and ports; the Redis address is added with its secret."""
    return {
        "ENVIRONMENT": "local",
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{stack.port('kafka')}",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(stack.port("postgres")),
        "POSTGRES_DATABASE": DATABASE,
        "POSTGRES_SSLMODE": "disable",
        "EDGE_HOST": "127.0.0.1",
        "EDGE_PORT": str(stack.port("edge")),
        "LIVE_PORT": str(stack.port("live")),
        "PUBLIC_URL": f"http://127.0.0.1:{stack.port('edge')}",
        "LIVE_URL": f"ws://127.0.0.1:{stack.port('live')}",
        "SENDGRID_HOST": f"http://127.0.0.1:{stack.port('sendgrid')}",
        "MAIL_FROM": "hello@marketplace.example",
        "ELASTICSEARCH_URL": f"http://127.0.0.1:{stack.port('elasticsearch')}",
        "STRIPE_SANDBOX_PORT": str(stack.port("stripe")),
        # What a lost webhook would have told is looked for soon, so that a test or a person need not wait a minute.
        "RECONCILE_EVERY_S": "3",
        "CDN_URL": f"http://127.0.0.1:{stack.port('cdn')}",
        "CDN_API_URL": f"http://127.0.0.1:{stack.port('cloudfront')}",
        "CDN_DISTRIBUTION_ID": "E2LOCALSTACK00",
        "S3_ENDPOINT": f"http://127.0.0.1:{stack.port('s3')}",
        "S3_PUBLIC_URL": f"http://127.0.0.1:{stack.port('s3')}",
        "S3_BUCKET_UPLOADS": "marketplace-uploads",
        "S3_BUCKET_MEDIA": "marketplace-media",
        # Nobody here wants to wait a minute to see that an upload which was not reported is found.
        "UPLOAD_LOOKED_AFTER_S": "3",
        "VIDEO_SCRATCH": str(stack.folder / "scratch"),
        # Everybody on this machine shares one address, the demo, the tests and the person who tries things by hand.
        "LIMIT_PER_ADDRESS_PER_HOUR": "1000000",
        "LIMIT_LOGIN_PER_MINUTE": "10000",
    }


def providers(stack: Stack) -> dict[str, str]:
    """Where outside providers are found at first: their stand-ins. Who has an account of his own writes its address here instead."""
    return {
        "STRIPE_API_BASE": f"http://127.0.0.1:{stack.port('stripe')}",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_stand_in",
    }


def fresh_secrets(known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """New random values for everything that must not be known outside; a key pair, which takes its time, if not `known`."""
    passwords = {password_variable(role): key() for role in (*SCHEMA_OWNERS, *READERS, "admin")}
    return passwords | {
        "REDIS_PASSWORD": key(),
        "JWT_KEYS": f"jwt-1:{key()}",
        "SEALING_KEYS": f"seal-1:{key()}",
        "EMAIL_HASH_KEY": key(),
        "PSEUDONYM_KEY": key(),
        "SENDGRID_API_KEY": f"SG.{key()}",
        "STRIPE_SECRET_KEY": f"sk_test_{key()}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{key()}",
        "SERVICE_KEYS": f"service-1:{key()}",
        "S3_ACCESS_KEY": f"AK{key()}",
        "S3_SECRET_KEY": key(),
        "CDN_SIGNING_KEYS": known.get("CDN_SIGNING_KEYS") or f"K2LOCAL{secrets.token_hex(3).upper()}:{signing_key()}",
        "CDN_ORIGIN_SECRET": key(),
        "CDN_API_ACCESS_KEY": f"AK{secrets.token_hex(9).upper()}",
        "CDN_API_SECRET_KEY": key(),
    }


def signing_key() -> str:
    """A new RSA key in DER (PKCS 8) as base64url, as CloudFront takes them: 2048 bits; raises Trouble without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Trouble("openssl is not installed.", fix="apt-get install -y openssl", code=2)
    make = [openssl, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"]
    made = subprocess.run(make, capture_output=True, check=True)
    return base64.urlsafe_b64encode(made.stdout).rstrip(b"=").decode()


def password_variable(role: str) -> str:
    return f"POSTGRES_PASSWORD_{role.upper().replace('-', '_')}"


def read(path: Path) -> dict[str, str]:
    """The variables of an environment file; empty when there is none."""
    if not path.exists():
        return {}
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def environment(stack: Stack, of: Mapping[str, str]) -> dict[str, str]:
    """The variables `of` a shell, without those that the stack's file sets, and with the file's name.

    A variable set in the shell would win over the file: a REDIS_URL meant for another program would lead ours there.
    """
    ours = read(stack.env_file)
    return {name: value for name, value in of.items() if name not in ours} | {"MARKETPLACE_ENV": str(stack.env_file)}


def write(stack: Stack) -> dict[str, str]:
    """Writes the stack's file and returns it: secrets once made stay, missing ones are made, addresses are always right."""
    known = read(stack.env_file)
    variables = fresh_secrets(known) | providers(stack) | known | addresses(stack)
    variables["REDIS_URL"] = f"redis://default:{variables['REDIS_PASSWORD']}@127.0.0.1:{stack.port('redis')}/0"
    if variables != known:
        stack.folder.mkdir(parents=True, exist_ok=True)
        head = "# Made by compose/local for this stack alone. Secret: not for any other place.\n"
        text = head + "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))
        replace(stack.env_file, text, mode=0o600)
    return variables


if __name__ == "__main__":
    # For compose.yaml: `python3 -m compose.envfile > compose/.env`.
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in sorted(fresh_secrets().items())))
