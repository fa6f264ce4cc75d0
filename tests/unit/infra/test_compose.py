"""docker-compose.yml, .env.example, Makefile: what they name must exist."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from actalog.cli.examining import known_variables
from actalog.names import NAMES
from actalog_core.settings import MAPPINGS, PROVIDERS, SDK_NAMES, Settings, variable

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: told for name, told in SERVICES.items() if "build" in told}
ONE_SHOT = {
    "logins": [], "topics": ["topics", "apply"], "deploy": ["deploy"],
    "migrate": ["migrate", "--login", "services"],
}  # fmt: skip
# What the composition or the image decides: addresses, ports, folders; how its own Kafka is
# talked to; and what is for one replica alone.
OF_THE_COMPOSITION = {
    *(f"ACTALOG_{name}" for name in ("HOME", "PORT", "HEALTH_PORT", "INSTANCE", "CRASHPOINT")),
    "ACTALOG_LOGIN_PASSWORD",
    "ACTALOG_KAFKA_REPLICATION", "ACTALOG_KAFKA_SECURITY_PROTOCOL",
    *(f"ACTALOG_KAFKA_SASL_{name}" for name in ("MECHANISM", "USERNAME", "PASSWORD")),
    *(f"ACTALOG_KAFKA_SSL_{name}" for name in ("CAFILE", "CERTFILE", "KEYFILE")),
}  # fmt: skip
SECRETS = {name.upper() for name in SDK_NAMES}
PROVIDER_NAMES = {f"{one.upper()}_{end}" for one in PROVIDERS for end in ("API_KEY", "BASE_URL")}


def test_every_service_has_a_container_of_its_own():
    told = {name: one["command"] for name, one in OURS.items() if name not in ONE_SHOT}
    assert told == {name: ["service", name] for name in NAMES}


def test_what_must_happen_first_is_done_once():
    assert {name: SERVICES[name]["command"] for name in ONE_SHOT} == ONE_SHOT
    for name in ONE_SHOT:
        assert "restart" not in SERVICES[name]


@pytest.mark.parametrize("name", OURS)
def test_a_command_exists(name: str):
    import typer

    from actalog.cli.main import app

    group: Any = typer.main.get_command(app)
    for word in OURS[name]["command"]:
        if not hasattr(group, "commands"):
            break
        assert word in group.commands
        group = group.commands[word]


@pytest.mark.parametrize("name", sorted(OURS.keys() - {"logins"}))
def test_a_setting_is_one_that_somebody_reads(name: str):
    for setting in OURS[name]["environment"]:
        assert setting in known_variables() | SECRETS | PROVIDER_NAMES or setting.startswith(
            "OTEL_"
        )


def test_what_is_set_for_compose_reaches_whom_it_is_for():
    """`.env` is where compose's settings are kept: a setting that no container is given would
    silently mean nothing."""
    fields = {variable(field) for field in Settings.model_fields if field not in MAPPINGS}
    passed = _given("llm")
    assert fields - passed == OF_THE_COMPOSITION
    assert passed >= PROVIDER_NAMES
    for name in OURS.keys() - {"logins"}:
        wanted = OF_THE_COMPOSITION - ({"ACTALOG_LOGIN_PASSWORD"} if name == "migrate" else set())
        assert fields - _given(name) - SECRETS == wanted, name
        assert name == "llm" or not PROVIDER_NAMES & _given(name)


def _given(name: str) -> set[str]:
    """The settings that a container is given, by their value or by a file."""
    return {one.removesuffix("_FILE") for one in OURS[name]["environment"]}


def test_only_who_migrates_is_given_the_owners_login():
    """Who has it could switch off what keeps the log from being changed."""
    for name, told in SERVICES.items():
        owner = [one for one in told.get("volumes", []) if one.startswith("owner-login:")]
        assert bool(owner) == (name in ("logins", "postgres", "migrate")), name
        assert name == "logins" or all(one.endswith(":ro") for one in owner)
    for name in OURS.keys() - {"logins", "migrate"}:
        url = OURS[name]["environment"]["ACTALOG_DATABASE_URL_FILE"]
        assert url == "/run/actalog/services/database_url"


def test_no_password_stands_in_the_file():
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"PASSWORD:[ ]*[^\s/]|PASSWORD:-|://\w+:[^\s@]*@", text)


def _logins(folder: Path, **env: str) -> dict[str, str]:
    """What infra/docker/logins.py writes."""
    subprocess.run(
        [sys.executable, ROOT / "infra/docker/logins.py", folder, "postgres:5432/actalog"],
        env=env, check=True,
    )  # fmt: skip
    return {str(one.relative_to(folder)): one.read_text() for one in folder.glob("*/*")}


def test_passwords_are_made_up_once(tmp_path: Path):
    first = _logins(tmp_path)
    owner, services = first["owner/password"], first["services/password"]
    assert owner != services
    assert len(owner) > 40
    assert first == {
        "owner/password": owner,
        "owner/database_url": f"postgresql://actalog:{owner}@postgres:5432/actalog",
        "services/password": services,
        "services/database_url": f"postgresql://services:{services}@postgres:5432/actalog",
    }
    assert _logins(tmp_path) == first


def test_passwords_of_the_environment_replace_them(tmp_path: Path):
    made_up = _logins(tmp_path)
    told = _logins(tmp_path, POSTGRES_PASSWORD="p@ss/word", POSTGRES_SERVICES_PASSWORD="")
    assert told["owner/password"] == "p@ss/word"
    assert told["owner/database_url"] == "postgresql://actalog:p%40ss%2Fword@postgres:5432/actalog"
    assert told["services/password"] == made_up["services/password"]
    # Other containers' users read them.
    assert (tmp_path / "owner/password").stat().st_mode & 0o777 == 0o444


def test_lines_of_a_container_are_not_kept_for_ever():
    for name, told in SERVICES.items():
        assert told["logging"]["options"]["max-size"], name


def test_a_service_writes_to_its_temporary_folder_alone():
    for name in NAMES:
        assert SERVICES[name]["read_only"] == (name != "tools")
        assert SERVICES[name]["tmpfs"] == ["/tmp"]


def test_a_server_that_is_made_ready_is_not_taken_for_one_that_is():
    """At the first start PostgreSQL's image runs one that listens on a socket alone."""
    assert " -h 127.0.0.1 " in SERVICES["postgres"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_waits_for_topics_and_definitions_and_says_when_it_is_ready(name: str):
    told = SERVICES[name]
    assert set(told["depends_on"]) == {"topics", "deploy"}
    assert "healthy.py" in told["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT.keys()))
def test_what_stays_says_when_it_is_healthy(name: str):
    assert SERVICES[name]["restart"] == "unless-stopped"
    told = SERVICES[name]["healthcheck"]
    assert told["test"][0] in ("CMD", "CMD-SHELL")
    assert told["retries"] > 0


def test_one_waits_for_another_until_it_is_healthy_or_has_done_its_work():
    for name, told in SERVICES.items():
        for other, until in told.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert until["condition"] == wanted, (name, other)


def test_images_of_others_are_pinned_to_a_version():
    for name, told in SERVICES.items():
        if name not in OURS:
            assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-pg\d+)?", told["image"]), told["image"]


def test_ports_are_open_on_this_machine_only():
    found = [port for told in SERVICES.values() for port in told.get("ports", [])]
    assert len(found) == 4
    for port in found:
        assert re.match(r"127\.0\.0\.1:|\$\{ACTALOG_BIND:-127\.0\.0\.1\}:", port), port


def test_containers_and_the_host_reach_kafka_by_names_of_their_own():
    told = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert told == "CONTAINERS://kafka:19092,HOST://localhost:${KAFKA_PORT:-9092}"
    assert OURS["llm"]["environment"]["ACTALOG_KAFKA"] == "kafka:19092"
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_files_that_compose_names_are_there():
    assert (ROOT / OURS["llm"]["build"]["dockerfile"]).exists()
    for told in SERVICES.values():
        for volume in cast(list[str], told.get("volumes", [])):
            source = volume.partition(":")[0]
            assert (
                (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
            )


def test_the_image_has_nothing_that_only_development_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dev = {re.split(r"[\[<>=]", told)[0] for told in project["optional-dependencies"]["dev"]}
    dockerfile = (ROOT / OURS["llm"]["build"]["dockerfile"]).read_text()
    removed = dockerfile.partition("pip uninstall")[2].partition("\n\n")[0].split()
    needed = {"actalog", "httpx", "cryptography"}  # by Weaviate's client
    assert dev - needed <= set(removed)


def test_prometheus_asks_every_service():
    config = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text())
    asked = config["scrape_configs"][0]["dns_sd_configs"][0]
    assert set(asked["names"]) == set(NAMES)
    assert asked["port"] == Settings().health_port


def _example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def test_the_example_environment_has_every_setting_with_its_default():
    told = _example()
    for field, info in Settings.model_fields.items():
        if field not in MAPPINGS:
            default = "" if info.default is None else str(info.default)
            assert told.pop(variable(field)) == default, field
    assert {name for name in told if not name.startswith("OTEL_")} == PROVIDER_NAMES


def test_the_example_environment_is_the_default_one():
    assert Settings.from_env(_example()) == Settings()


def test_make_has_the_targets_that_scripts_rely_on():
    made = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = "help run test test-kafka test-weaviate check fix contracts bench up down clean"
    assert set(wanted.split()) <= made
