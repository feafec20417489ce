"""The stack in containers, for machines with an engine: compose/compose.yaml through testcontainers."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testcontainers.compose import DockerCompose

from compose.envfile import fresh_secrets

CHOSEN = os.environ.get("TEST_STACK") == "containers"
"""Whether the tests run on a stack in containers."""
COMPOSE = Path(__file__).parents[1] / "compose"


@contextmanager
def stack() -> Iterator[Path]:
    """Start every service of compose.yaml and yield an environment file with the addresses as seen from this machine."""
    with tempfile.TemporaryDirectory() as folder:
        # All tests come from one address.
        limits = {"LIMIT_PER_ADDRESS_PER_HOUR": "1000000", "LIMIT_LOGIN_PER_MINUTE": "10000"}
        variables = {**fresh_secrets(), **limits, "ENVIRONMENT": "local"}
        inside = Path(folder) / "inside.env"
        inside.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        with DockerCompose(str(COMPOSE), "compose.yaml", env_file=str(inside), build=True, wait=True) as services:
            outside = Path(folder) / "outside.env"
            outside.write_text(
                "".join(f"{name}={value}\n" for name, value in (variables | _addresses(services, variables)).items())
            )
            yield outside


def _addresses(services: DockerCompose, variables: dict[str, str]) -> dict[str, str]:
    def port(service: str, inner: int) -> str:
        return str(services.get_service_port(service, inner))

    return {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": port("postgres", 5432),
        "POSTGRES_DATABASE": "marketplace",
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{port('kafka', 9094)}",
        "REDIS_URL": f"redis://default:{variables['REDIS_PASSWORD']}@127.0.0.1:{port('redis', 6379)}/0",
        "PUBLIC_URL": f"http://127.0.0.1:{port('edge', 8080)}",
        "LIVE_URL": f"ws://127.0.0.1:{port('live', 8081)}",
        "SENDGRID_HOST": f"http://127.0.0.1:{port('sendgrid', 7082)}",
        "ELASTICSEARCH_URL": f"http://127.0.0.1:{port('elasticsearch', 9200)}",
    }
