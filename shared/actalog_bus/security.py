"""TLS and SASL, as aiokafka wants them."""

import ssl
from typing import Any

from aiokafka.helpers import create_ssl_context

from actalog_bus.settings import KafkaSettings
from actalog_core.errors import SettingMissing

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments of every aiokafka client; empty for PLAINTEXT.

    Raises:
        SettingMissing: names what is missing or wrong.
    """
    if settings.security_protocol == "PLAINTEXT":
        return {}
    told: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if "SSL" in settings.security_protocol:
        told["ssl_context"] = _context(settings)
    if settings.security_protocol.startswith("SASL"):
        told["sasl_mechanism"] = _mechanism(settings)
        told["sasl_plain_username"] = settings.sasl_username
        told["sasl_plain_password"] = settings.sasl_password
    return told


def _context(settings: KafkaSettings) -> ssl.SSLContext:
    """An authority's certificates or the system's, and our own where we have one."""
    if settings.ssl_keyfile and not settings.ssl_certfile:
        raise SettingMissing("ACTALOG_KAFKA_SSL_KEYFILE is set without ACTALOG_KAFKA_SSL_CERTFILE.")
    try:
        context = create_ssl_context(cafile=settings.ssl_cafile)
    except OSError as error:
        said = f"ACTALOG_KAFKA_SSL_CAFILE={settings.ssl_cafile}: {error}."
        raise SettingMissing(said) from error
    if settings.ssl_certfile:
        try:
            # Where the key wants a password, Python would ask for it on the terminal.
            context.load_cert_chain(
                settings.ssl_certfile, settings.ssl_keyfile, password=lambda: ""
            )
        except OSError as error:
            said = (
                f"ACTALOG_KAFKA_SSL_CERTFILE={settings.ssl_certfile},"
                f" ACTALOG_KAFKA_SSL_KEYFILE={settings.ssl_keyfile}: {error}."
            )
            raise SettingMissing(said) from error
    return context


def _mechanism(settings: KafkaSettings) -> str:
    mechanism = settings.sasl_mechanism or "PLAIN"
    if mechanism not in MECHANISMS:
        said = f"ACTALOG_KAFKA_SASL_MECHANISM={mechanism}: {', '.join(MECHANISMS)} are spoken."
        raise SettingMissing(said)
    if not settings.sasl_username or not settings.sasl_password:
        said = (
            f"ACTALOG_KAFKA_SECURITY_PROTOCOL={settings.security_protocol} needs"
            " ACTALOG_KAFKA_SASL_USERNAME and ACTALOG_KAFKA_SASL_PASSWORD."
        )
        raise SettingMissing(said)
    return mechanism
