"""Settings, read once at the door (interface.md, section 4). Nothing below sees the environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from actalog_core import addresses, crashpoints
from actalog_core.errors import SettingMissing

# Providers that have adapters of their own are fields; the others share OpenAI's wire format.
PROVIDERS = (
    "groq", "openrouter", "gemini", "azure", "mistral", "cohere", "deepseek", "together",
    "fireworks", "xai", "ollama", "lmstudio", "vllm", "openai_like",
)  # fmt: skip
SDK_NAMES = ("openai_api_key", "openai_base_url", "anthropic_api_key", "anthropic_base_url")
MAPPINGS = ("provider_keys", "provider_urls")
# What belongs to Kafka is named so; the short names are read as well.
SHORT = {
    "ACTALOG_KAFKA_PARTITIONS": "ACTALOG_PARTITIONS",
    "ACTALOG_KAFKA_REPLICATION": "ACTALOG_REPLICATION",
}
OF_KAFKA = ("partitions", "replication")
HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d+)?")  # of a database


def setting(env: Mapping[str, str], name: str, default: str | None = None) -> str | None:
    """The value of `name`, or the content of the file that `NAME_FILE` names, or the default. An
    empty one is none: `.env.example` has all names without a value."""
    if value := env.get(name):
        return value
    if file := env.get(f"{name}_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            said = f"{name}_FILE: {file} cannot be read ({error.strerror})."
            raise SettingMissing(said) from error
        except UnicodeDecodeError:
            raise SettingMissing(f"{name}_FILE: {file} is no text.") from None
    return default


def _http(told: str) -> str:
    told = told.strip()
    if not addresses.is_http(told):
        raise ValueError(addresses.HTTP_WANTED)
    return told


class Settings(BaseModel):
    """What every service needs to know. Services add their own to it. Secrets are not shown."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    home: str = ".actalog"
    """Folder of the embedded servers' data, `platform.json` and the lock of `actalog up`."""
    app: str | None = None
    """The author's App, as `module:name`. Only the tools service and `actalog deploy` load it."""
    kafka: str | None = None
    """Bootstrap servers, one or several with commas between them. None: the embedded broker (only `actalog up`)."""
    topic_prefix: str = Field(default="actalog", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}$")
    """Every topic and consumer group begins with it. One prefix is one App."""
    partitions: int = Field(default=6, ge=1)
    """Partitions of each topic; dead-letter topics have one."""
    replication: int = Field(default=1, ge=1)
    """Replicas of each partition, when topics are created."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How brokers are talked to."""
    kafka_sasl_mechanism: str | None = None
    """`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`."""
    kafka_sasl_username: str | None = None
    """For SASL."""
    kafka_sasl_password: str | None = Field(default=None, repr=False)
    """For SASL. A secret."""
    kafka_ssl_cafile: str | None = None
    """Certificates that brokers are checked by (PEM); without it, the system's."""
    kafka_ssl_certfile: str | None = None
    """Our own certificate (PEM), where brokers ask for one."""
    kafka_ssl_keyfile: str | None = None
    """The key of that certificate (PEM)."""
    database_url: str | None = Field(default=None, repr=False)
    """PostgreSQL, as a DSN. A secret. None: the embedded server (only `actalog up`)."""
    login_password: str | None = Field(default=None, repr=False)
    """What `actalog migrate --login NAME` gives the services' login. A secret; nothing else reads it."""
    weaviate_url: str | None = None
    """Weaviate. Nothing reads it in this version: knowledge is not built yet."""
    host: str = "127.0.0.1"
    """The interface of the gateway and of health servers; `0.0.0.0` in the image."""
    port: int = Field(default=7777, ge=0, le=65_535)
    """The gateway's. 0: a free one."""
    health_port: int = Field(default=9777, ge=0, le=65_535)
    """Where a service alone answers `/health/live`, `/health/ready` and `/metrics`. 0: a free one."""
    gateway_url: str | None = None
    """Where others reach the gateway, as `http://host:port`: `ce_dataschema` of every message leads there. None: `localhost` and `ACTALOG_PORT`."""
    cors_origins: str = ""
    """Origins of browser clients, with commas between; empty: none but our own. What a page of another one posts is refused. Their host names may lead to a gateway on loopback."""
    reply_topics: str = ""
    """Patterns (as of a shell) of topics that a task's `reply_to` may name, with commas between. For the gateway as for the conductor."""
    echo_headers: str = ""
    """Patterns of headers of a task that its result carries as well, with commas between."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Log lines of less weight are not written."""
    log_format: Literal["console", "json"] = "console"
    """For people, or for machines; `json` in the image."""
    instance: str | None = None  # the pod's ordinal: static membership (protocol 16.1)
    """The replica's ordinal, which no other replica of the service has: a restarted one takes its own
    place in the consumer group again."""
    lease_ms: int = Field(default=6_000, ge=100)
    """How soon a dead worker's calls are somebody else's, in milliseconds. Not below
    `ACTALOG_SESSION_TIMEOUT_MS`: what it had not claimed waits for that."""
    isolated_workers: int = Field(default=8, ge=1)
    """Processes for tools that are declared `isolated`, at most, of each tools service."""
    session_timeout_ms: int = Field(default=6_000, ge=1_000)
    """How soon a dead group member's partitions are somebody else's, in milliseconds."""
    crashpoint: str | None = None
    """For rehearsals only: `name[:n][:stop]`, the point at which the process kills or stops itself; see below."""
    openai_api_key: str | None = Field(default=None, repr=False)
    """OpenAI's key. A secret."""
    openai_base_url: str | None = None
    """Another address that speaks OpenAI's wire format."""
    anthropic_api_key: str | None = Field(default=None, repr=False)
    """Anthropic's key. A secret."""
    anthropic_base_url: str | None = None
    """Another address that speaks Anthropic's wire format."""
    provider_keys: Mapping[str, str] = Field(default_factory=dict[str, str], repr=False)
    """Keys of other providers by their name: `{"groq": ...}` from `GROQ_API_KEY`."""
    provider_urls: Mapping[str, Annotated[str, AfterValidator(_http)]] = Field(
        default_factory=dict[str, str]
    )
    """Addresses of other providers: `{"ollama": ...}` from `OLLAMA_BASE_URL`."""

    @field_validator("crashpoint")
    @classmethod
    def _known_point(cls, told: str | None) -> str | None:
        if told:
            crashpoints.parsed(told)
        return told

    @field_validator("kafka")
    @classmethod
    def _brokers(cls, told: str | None) -> str | None:
        if told is None:
            return told
        if not addresses.are_brokers(told):
            raise ValueError(addresses.BROKERS_WANTED)
        return told

    @field_validator("database_url")
    @classmethod
    def _dsn(cls, told: str | None) -> str | None:
        if not told:
            return told
        try:
            address = urlsplit(told)
            hosts = address.netloc.rpartition("@")[2].split(",")
            fine = address.scheme in ("postgresql", "postgres") and all(map(HOST.fullmatch, hosts))
        except ValueError:  # its words quote what may be the password
            fine = False
        if not fine:
            raise ValueError(
                "an address is wanted, as postgresql://user:password@host:port/database;"
                " in a password / ? # [ ] and % are written as %2F %3F %23 %5B %5D and %25"
            )
        return told

    @field_validator("gateway_url", "openai_base_url", "anthropic_base_url")
    @classmethod
    def _address(cls, told: str | None) -> str | None:
        return told if not told else _http(told)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, told: str) -> str:
        if not all(map(addresses.is_origin, addresses.listed(told))):
            raise ValueError(addresses.ORIGINS_WANTED)
        return told

    @property
    def gateway(self) -> str:
        """Where others reach the gateway."""
        return self.gateway_url or f"http://localhost:{self.port}"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read `ACTALOG_*` and the SDKs' own names.

        Raises:
            SettingMissing: a value is not of its type; the message names the variable.
        """
        read: dict[str, object] = {}
        for field in cls.model_fields:
            if field not in MAPPINGS and (value := _of_field(env, variable(field))):
                read[field] = value
        read["provider_keys"] = _of_providers(env, "API_KEY")
        read["provider_urls"] = _of_providers(env, "BASE_URL")
        try:
            return cls.model_validate(read)
        except ValidationError as error:
            raise SettingMissing(_told(error)) from error


def variable(field: str) -> str:
    """The environment variable of a field."""
    if field in SDK_NAMES:
        return field.upper()
    return f"ACTALOG_KAFKA_{field.upper()}" if field in OF_KAFKA else f"ACTALOG_{field.upper()}"


def _of_field(env: Mapping[str, str], name: str) -> str | None:
    short = SHORT.get(name)
    return setting(env, name) or (setting(env, short) if short else None)


def _of_providers(env: Mapping[str, str], suffix: str) -> dict[str, str]:
    found = {name: setting(env, f"{name.upper()}_{suffix}") for name in PROVIDERS}
    return {name: value for name, value in found.items() if value}


def _named(field: str, *provider: str) -> str:
    return f"{provider[0].upper()}_BASE_URL" if field == "provider_urls" else variable(field)


def _told(error: ValidationError) -> str:
    """`ACTALOG_PORT: Input should be a valid integer`, one after the other. Values are left out:
    they may be secrets."""
    told = error.errors(include_url=False, include_input=False)
    said = (f"{_named(*map(str, one['loc']))}: {one['msg']}" for one in told)
    return "; ".join(one.replace(": Value error, ", ": ") for one in said)
