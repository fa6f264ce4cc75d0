"""TLS and SASL, as aiokafka wants them."""

from typing import Any

from aiokafka.helpers import create_ssl_context

from actalog_bus.settings import KafkaSettings


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments of every aiokafka client; empty for PLAINTEXT."""
    if settings.security_protocol == "PLAINTEXT":
        return {}
    told: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if "SSL" in settings.security_protocol:
        told["ssl_context"] = create_ssl_context(
            cafile=settings.ssl_cafile,
            certfile=settings.ssl_certfile,
            keyfile=settings.ssl_keyfile,
        )
    if settings.security_protocol.startswith("SASL"):
        told["sasl_mechanism"] = settings.sasl_mechanism or "PLAIN"
        told["sasl_plain_username"] = settings.sasl_username
        told["sasl_plain_password"] = settings.sasl_password
    return told
