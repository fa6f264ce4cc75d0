from pathlib import Path

import pytest

from actalog_core.errors import SettingMissing
from actalog_core.settings import Settings


def test_defaults_need_no_environment():
    assert Settings.from_env({}).port == 7777


def test_a_secret_may_stand_in_a_file(tmp_path: Path):
    (tmp_path / "key").write_text("sk-1\n")
    env = {"OPENAI_API_KEY_FILE": str(tmp_path / "key")}
    assert Settings.from_env(env).openai_api_key == "sk-1"


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(SettingMissing, match="OPENAI_API_KEY_FILE"):
        Settings.from_env({"OPENAI_API_KEY_FILE": str(tmp_path / "none")})


def test_a_wrong_value_names_its_setting():
    with pytest.raises(SettingMissing, match="ACTALOG_PORT"):
        Settings.from_env({"ACTALOG_PORT": "many"})


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(SettingMissing, match=r"ACTALOG_PORT.*ACTALOG_LOG_LEVEL"):
        Settings.from_env({"ACTALOG_PORT": "70000", "ACTALOG_LOG_LEVEL": "loud"})


def test_secrets_are_not_shown():
    env = {
        "OPENAI_API_KEY": "sk-secret", "GROQ_API_KEY": "gsk-secret",
        "ACTALOG_DATABASE_URL": "postgresql://u:secret@h/d",
        "ACTALOG_KAFKA_SASL_PASSWORD": "a secret",
    }  # fmt: skip
    assert "secret" not in repr(Settings.from_env(env))


def test_keys_and_addresses_of_other_providers_are_found_by_name(tmp_path: Path):
    (tmp_path / "key").write_text("gsk-1\n")
    env = {"GROQ_API_KEY_FILE": str(tmp_path / "key"), "OLLAMA_BASE_URL": "http://o:11434/v1"}
    settings = Settings.from_env(env)
    assert settings.provider_keys == {"groq": "gsk-1"}
    assert settings.provider_urls == {"ollama": "http://o:11434/v1"}


def test_an_empty_value_is_none_at_all():
    assert Settings.from_env({"ACTALOG_KAFKA": "", "ACTALOG_PORT": ""}).kafka is None


def test_an_empty_value_hides_no_file(tmp_path: Path):
    (tmp_path / "key").write_text("k-1\n")
    env = {"OPENAI_API_KEY": "", "OPENAI_API_KEY_FILE": str(tmp_path / "key")}
    env |= {"GROQ_API_KEY": "", "GROQ_API_KEY_FILE": str(tmp_path / "key"), "ACTALOG_APP_FILE": ""}
    settings = Settings.from_env(env)
    assert (settings.openai_api_key, settings.provider_keys) == ("k-1", {"groq": "k-1"})
    assert settings.app is None


def test_a_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path):
    (tmp_path / "key").write_bytes(b"\xff\xfesecret")
    with pytest.raises(SettingMissing, match=r"OPENAI_API_KEY_FILE: .*key is no text") as raised:
        Settings.from_env({"OPENAI_API_KEY_FILE": str(tmp_path / "key")})
    assert "secret" not in str(raised.value)


def test_partitions_are_kafkas_and_the_short_name_is_read_as_well():
    assert Settings.from_env({"ACTALOG_KAFKA_PARTITIONS": "12"}).partitions == 12
    assert Settings.from_env({"ACTALOG_PARTITIONS": "12"}).partitions == 12
    both = {"ACTALOG_PARTITIONS": "12", "ACTALOG_KAFKA_PARTITIONS": "3"}
    assert Settings.from_env(both).partitions == 3
    assert Settings.from_env({"ACTALOG_KAFKA_REPLICATION": "3"}).replication == 3
    with pytest.raises(SettingMissing, match="ACTALOG_KAFKA_PARTITIONS"):
        Settings.from_env({"ACTALOG_KAFKA_PARTITIONS": "many"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACTALOG_TOPIC_PREFIX", "my app"), ("ACTALOG_TOPIC_PREFIX", "ü"),
        ("ACTALOG_TOPIC_PREFIX", "a/b"), ("ACTALOG_TOPIC_PREFIX", "."),
        ("ACTALOG_KAFKA", ","), ("ACTALOG_KAFKA", "a:99999"), ("ACTALOG_KAFKA", "a:0"),
        ("ACTALOG_KAFKA", "kafka://a:9092"), ("ACTALOG_KAFKA", "a b:9092"),
        ("ACTALOG_DATABASE_URL", "host=db dbname=actalog password=secret"),
        ("ACTALOG_DATABASE_URL", "mysql://u:secret@h/d"),
        # As people write passwords whose letters mean something in an address.
        ("ACTALOG_DATABASE_URL", "postgresql://u:secret/x@h:5432/d"),
        ("ACTALOG_DATABASE_URL", "postgresql://u:secret#x@h:5432/d"),
        ("ACTALOG_DATABASE_URL", "postgresql://u:secret?x@h:5432/d"),
        ("ACTALOG_DATABASE_URL", "postgresql://u:x[secret]@h:5432/d"),
        ("ACTALOG_DATABASE_URL", "postgresql://u:secret@h:port/d"),
        *((name, value)
          for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GROQ_BASE_URL", "OLLAMA_BASE_URL")
          for value in ("localhost:11434", "api.example/v1", "ftp://h", "http://", "http://h:99999",
                        "http://u:secret@h/v1?key=secret", "https://h/v 1", "sk-secret")),
        *(("ACTALOG_CORS_ORIGINS", value)
          for value in ("ui.example", "http://a.example,ui.example", "http://ui.example/",
                        "https://ui.example/chat", "HTTPS://UI.example", "https://*.example",
                        "https://ui.example:443", "http://ui.example:80", "http://ui.example:99999",
                        "http://", "http://a http://b", "https://u:secret@h")),
        ("ACTALOG_GATEWAY_URL", "http://h:99999"),
    ],
)  # fmt: skip
def test_what_no_server_could_understand_is_told_at_once(name: str, value: str):
    with pytest.raises(SettingMissing, match=name) as refused:
        Settings.from_env({name: value})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "told", ["b1:9092,b2:9092", "b1:9092, b2:9092,", "[::1]:9092", "broker", "my_kafka:1"]
)
def test_addresses_of_brokers_as_people_write_them(told: str):
    assert Settings.from_env({"ACTALOG_KAFKA": told}).kafka == told


@pytest.mark.parametrize(
    "told",
    ["*", "http://localhost:3000", "https://ui.example, https://os.example:8443,", "null",
     "http://[::1]:3000", "chrome-extension://abcdef", "tauri://localhost"],
)  # fmt: skip
def test_origins_as_browsers_send_them(told: str):
    assert Settings.from_env({"ACTALOG_CORS_ORIGINS": told}).cors_origins == told


def test_addresses_of_models_are_those_of_their_setting():
    told = Settings.from_env(
        {"OPENAI_BASE_URL": "https://eu.example/v1/", "OLLAMA_BASE_URL": "http://gpu:11434"}
    )
    assert told.openai_base_url == "https://eu.example/v1/"
    assert told.provider_urls == {"ollama": "http://gpu:11434"}


def test_where_others_reach_the_gateway_is_an_absolute_address():
    assert Settings().gateway == "http://localhost:7777"
    assert Settings(host="0.0.0.0", port=80).gateway == "http://localhost:80"
    told = "https://agents.example.com/actalog"
    assert Settings.from_env({"ACTALOG_GATEWAY_URL": told}).gateway == told


def test_a_database_may_be_named_by_a_socket_or_several_hosts():
    for dsn in (
        "postgresql:///actalog?host=/run/postgresql", "postgres://u:p@h1:1,h2:2/d",
        "postgresql://u:p%2F@x@[::1]:5432,%2Frun%2Fpostgresql/d", "postgresql://h",
    ):  # fmt: skip
        assert Settings.from_env({"ACTALOG_DATABASE_URL": dsn}).database_url == dsn
