"""How a bus reaches its broker."""

from dataclasses import dataclass
from typing import Literal, Self

from actalog_core.settings import Settings

MAX_BYTES = 1_000_000  # of a record; below the broker's max.message.bytes (1 MiB)
# A dead letter has more headers than the record that others sent, which may have all of that MiB.
MAX_LETTER_BYTES = 1_048_576
MAX_REQUEST_BYTES = MAX_LETTER_BYTES + 65_536


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """`mode` "assigned": this process takes all partitions (one-process mode, design 3).

    `parked_fetch` says that the broker wakes a waiting fetch. The embedded one does not: its
    fetch wait then adapts (protocol 16.4). `keeps_marks` says that it keeps what is committed
    beside an offset: there deaths are counted (`suspicion`). The embedded one does not.
    `prefix` is what the names of our topics begin with: of the others a large cluster has thousands.
    """

    bootstrap: str
    prefix: str = ""
    mode: Literal["group", "assigned"] = "group"
    idempotence: bool = True
    parked_fetch: bool = True
    keeps_marks: bool = True
    instance: str | None = None
    session_timeout_ms: int = 6_000
    publish_timeout_s: float = 15.0
    request_timeout_ms: int = 10_000  # then a connection that says nothing is replaced
    commit_every_s: float = 0.2
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None

    @property
    def servers(self) -> str:
        """The addresses in `bootstrap` with nothing between them but commas. Any of them tells of
        the others."""
        return ",".join(one.strip() for one in self.bootstrap.split(",") if one.strip())

    @classmethod
    def of(cls, settings: Settings, *, bootstrap: str, embedded: bool, one_process: bool) -> Self:
        """From the settings of a service; `embedded`: the broker is the one we started."""
        return cls(
            bootstrap=bootstrap,
            prefix=settings.topic_prefix,
            mode="assigned" if one_process else "group",
            idempotence=not embedded,
            parked_fetch=not embedded,
            keeps_marks=not embedded,
            instance=settings.instance,
            session_timeout_ms=settings.session_timeout_ms,
            security_protocol=settings.kafka_security_protocol,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            sasl_username=settings.kafka_sasl_username,
            sasl_password=settings.kafka_sasl_password,
            ssl_cafile=settings.kafka_ssl_cafile,
            ssl_certfile=settings.kafka_ssl_certfile,
            ssl_keyfile=settings.kafka_ssl_keyfile,
        )
