"""Settings, read once at the door (interface.md, section 4). Nothing below sees the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from actalog_core.errors import SettingMissing


def setting(env: Mapping[str, str], name: str, default: str | None = None) -> str | None:
    """The value of `name`, or the content of the file that `NAME_FILE` names, or the default."""
    if name in env:
        return env[name]
    if f"{name}_FILE" in env:
        path = Path(env[f"{name}_FILE"])
        try:
            return path.read_text().strip()
        except OSError as error:
            raise SettingMissing(
                f"{name}_FILE: {path} cannot be read ({error.strerror})."
            ) from error
    return default


class Settings(BaseModel):
    """What every service needs to know. Services add their own to it."""

    model_config = ConfigDict(frozen=True)

    home: str = ".actalog"
    app: str | None = None
    kafka: str | None = None  # None: embedded
    topic_prefix: str = "actalog"
    partitions: int = 6
    replication: int = 1
    kafka_security_protocol: str = "PLAINTEXT"
    kafka_sasl_mechanism: str | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = None
    kafka_ssl_cafile: str | None = None
    kafka_ssl_certfile: str | None = None
    kafka_ssl_keyfile: str | None = None
    database_url: str | None = None  # None: embedded
    weaviate_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 7777
    health_port: int = 9777
    cors_origins: str = ""
    reply_topics: str = ""
    echo_headers: str = ""
    log_level: str = "info"
    log_format: str = "console"
    instance: str | None = None  # the pod's ordinal: static membership (protocol 16.1)
    lease_ms: int = 5_000
    session_timeout_ms: int = 6_000
    openai_api_key: str | None = None
    openai_base_url: str | None = None
    anthropic_api_key: str | None = None
    anthropic_base_url: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read `ACTALOG_*` and the SDKs' own names.

        Raises:
            SettingMissing: a value is not of its type; the message names the variable.
        """
        read: dict[str, str] = {}
        for field in cls.model_fields:
            sdk = field.startswith(("openai_", "anthropic_"))
            value = setting(env, field.upper() if sdk else f"ACTALOG_{field.upper()}")
            if value is not None and value != "":
                read[field] = value
        try:
            return cls.model_validate(read)
        except ValueError as error:
            raise SettingMissing(str(error)) from error
