"""compose.yaml runs the same processes as the programs table, with the secrets that each needs and no others."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose import envfile
from compose.programs import BY_NAME, PROGRAMS, Program
from compose.settings import SECRETS_NEEDED

pytestmark = pytest.mark.quick

FOLDER = Path(__file__).parents[2] / "compose"
EXTRA = {"roles"}  # one-shot: PostgreSQL's roles, which compose/local makes itself
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
OF_A_SERVICE = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init", "ports", "read_only",
    "restart", "security_opt", "shm_size", "stop_grace_period", "stop_signal", "tmpfs", "ulimits", "volumes",
}  # fmt: skip
OF_A_HEALTH_CHECK = {"disable", "interval", "retries", "start_period", "test", "timeout"}
OURS = [program for program in PROGRAMS if program.kind != "server"]


class UniqueKeys(yaml.SafeLoader):
    """A loader that refuses what the usual one passes over in silence: the same key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value if key.value != "<<"]
        assert len(keys) == len(set(keys)), f"the same key twice: {keys}"
        return super().construct_mapping(node, deep=deep)


@pytest.fixture(scope="module")
def composed() -> Any:
    return yaml.load((FOLDER / "compose.yaml").read_text(), Loader=UniqueKeys)


@pytest.fixture(scope="module")
def services(composed: dict[str, Any]) -> Any:
    return composed["services"]


def test_the_services_are_the_programs(services: dict[str, Any]) -> None:
    assert set(services) == set(BY_NAME) | EXTRA


@pytest.mark.parametrize("program", OURS, ids=lambda program: program.name)
def test_a_service_runs_its_programs_module(services: dict[str, Any], program: Program) -> None:
    assert services[program.name]["command"] == ["python", "-m", "compose.serve", program.module]


@pytest.mark.parametrize("program", OURS, ids=lambda program: program.name)
def test_a_service_waits_for_what_its_program_needs(services: dict[str, Any], program: Program) -> None:
    waits = services[program.name].get("depends_on", {})

    assert set(waits) == set(program.needs) | ({"roles"} if "postgres" in program.needs else set())
    for name, how in waits.items():
        once = name == "roles" or BY_NAME[name].kind == "once"
        assert how == {"condition": "service_completed_successfully" if once else "service_healthy"}


@pytest.mark.parametrize("program", OURS, ids=lambda program: program.name)
def test_a_service_is_given_the_secrets_it_needs_and_no_other(services: dict[str, Any], program: Program) -> None:
    given = services[program.name]["environment"]
    secret = set(envfile.fresh_secrets()) - {"REDIS_PASSWORD"}

    assert set(given) & secret == {name.upper() for name in SECRETS_NEEDED[program.name]}


def test_every_secret_is_required_from_outside(services: dict[str, Any]) -> None:
    secret = set(envfile.fresh_secrets()) | {"POSTGRES_PASSWORD"}
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if name in secret:
                assert re.fullmatch(r"\$\{[A-Z0-9_]+:\?[^}]+\}", value), f"{name} has a default"


def test_the_example_names_every_required_variable_and_gives_none(services: dict[str, Any]) -> None:
    required = set(re.findall(r"\$\{([A-Z0-9_]+):\?", (FOLDER / "compose.yaml").read_text()))
    example = envfile.read(FOLDER / "example.env")

    assert required == set(envfile.fresh_secrets())
    assert required == {name for name, value in example.items() if not value}


def test_long_running_services_have_a_health_check(services: dict[str, Any]) -> None:
    for name, service in services.items():
        lasting = name not in EXTRA and BY_NAME[name].kind != "once"
        assert (not service["healthcheck"].get("disable", False)) == lasting, name


def test_services_ports_and_volumes_read_as_the_compose_specification_wants(
    composed: dict[str, Any], services: dict[str, Any]
) -> None:
    for name, service in services.items():
        assert set(service) <= OF_A_SERVICE, name
        assert set(service["healthcheck"]) <= OF_A_HEALTH_CHECK, name
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name
        assert all(wait["condition"] in CONDITIONS for wait in service.get("depends_on", {}).values())
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z0-9]+_PUBLISHED:-\d+\}:\d+", port), port
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in composed["volumes"], volume


def test_nothing_but_loopback_is_published_and_no_container_of_ours_may_write_or_gain_rights(
    services: dict[str, Any],
) -> None:
    for program in OURS:
        service = services[program.name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_broker_has_the_version_that_is_tested_here(services: dict[str, Any]) -> None:
    pom = (FOLDER / "pom.xml").read_text()

    assert services["kafka"]["image"] == f"apache/kafka:{re.findall('<kafka.version>(.+)</', pom)[0]}"


def test_elasticsearch_has_the_version_that_is_tested_here(services: dict[str, Any]) -> None:
    pom = (FOLDER / "pom.xml").read_text()

    version = re.findall("<elasticsearch.version>(.+)</", pom)[0]
    assert services["elasticsearch"]["image"] == f"docker.elastic.co/elasticsearch/elasticsearch:{version}"
