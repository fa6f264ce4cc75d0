"""A broker that wants TLS, a password or a certificate."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery, Listen
from actalog_bus.processes import free_port
from actalog_bus.provision import TopicPlan, TopicsNotCreated, provision
from actalog_bus.security import MECHANISMS, security
from actalog_bus.settings import KafkaSettings
from actalog_bus.wiring import SASL
from actalog_core.errors import SettingMissing
from actalog_testing.apache_kafka import ApacheKafka, missing
from tests.conftest import Run
from tests.integration.bus.site import by_key

POM = Path(__file__).parents[3] / "infra" / "kafka" / "pom.xml"
# A second and a third listener beside the plain one, over which the node is waited for.
LISTENERS = """
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},\
SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}
listener.security.protocol.map=\
PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_plain="secret";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={folder}/node.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
"""
SCRAM = [
    argument
    for size in (256, 512)
    for argument in ("--add-scram", f"SCRAM-SHA-{size}=[name=scram,password=secret]")
]


@dataclass
class Secured:
    """The addresses, and a folder with ca.pem, ours.pem, ours.key and stranger.pem."""

    sasl: str
    tls: str
    folder: Path

    def settings(self, **told: Any) -> KafkaSettings:
        at = self.tls if told["security_protocol"] == "SSL" else self.sasl
        told.setdefault("ssl_cafile", str(self.folder / "ca.pem"))
        return KafkaSettings(bootstrap=at, publish_timeout_s=5, **told)


def pkcs8(key: bytes) -> bytes:
    """The only form that Kafka takes."""
    form = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, form, plain
    )


def certificates(folder: Path) -> None:
    ours, others = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(folder / "ca.pem"))
    node = ours.issue_cert("127.0.0.1")
    chain = b"".join(one.bytes() for one in node.cert_chain_pems)
    (folder / "node.pem").write_bytes(pkcs8(node.private_key_pem.bytes()) + chain)
    client = ours.issue_cert("client@test")
    client.cert_chain_pems[0].write_to_path(str(folder / "ours.pem"))
    client.private_key_pem.write_to_path(str(folder / "ours.key"))
    others.issue_cert("client@test").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "stranger.pem")
    )


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, on_server_loop: Run) -> Iterator[Secured]:
    if lacks := missing():
        pytest.skip(lacks)
    folder = tmp_path_factory.mktemp("secured")
    certificates(folder)
    sasl, tls = free_port(), free_port()
    more = LISTENERS.format(sasl=sasl, tls=tls, folder=folder)
    node = ApacheKafka(folder / "kafka", pom=POM, more=more, format=SCRAM)
    on_server_loop(node.start())
    yield Secured(f"127.0.0.1:{sasl}", f"127.0.0.1:{tls}", folder)
    on_server_loop(node.stop())


def password(user: str, mechanism: str | None = None, secret: str = "secret") -> dict[str, str]:
    told = {"sasl_mechanism": mechanism} if mechanism else {}
    return {
        "security_protocol": "SASL_SSL", "sasl_username": user, "sasl_password": secret, **told
    }  # fmt: skip


@pytest.mark.kafka
@pytest.mark.apache
@pytest.mark.parametrize(
    "by",
    [password("plain"), password("scram", "SCRAM-SHA-256"), password("scram", "SCRAM-SHA-512"),
     {"security_protocol": "SSL", "ssl_certfile": "ours.pem", "ssl_keyfile": "ours.key"}],
    ids=["plain", "scram-256", "scram-512", "certificate"],
)  # fmt: skip
async def test_what_is_published_is_heard(secured: Secured, by: dict[str, str]) -> None:
    files = {n: str(secured.folder / v) for n, v in by.items() if n.endswith("file")}
    settings = secured.settings(**{**by, **files})
    topic = f"t.{'.'.join(by.values())}".replace("/", "")
    await provision(settings, [TopicPlan(name=topic, partitions=1, replication=1, retention_ms=-1)])
    bus, heard = KafkaBus(settings), asyncio.Event()

    async def hear(_: Delivery) -> None:
        heard.set()

    bus.listen(Listen([topic], f"{topic}.g", hear, by_key))
    await bus.start()
    try:
        await bus.publish(topic, value=b"1")
        await asyncio.wait_for(heard.wait(), 20)
    finally:
        await bus.stop(1)


@pytest.mark.kafka
@pytest.mark.apache
@pytest.mark.parametrize(
    "by",
    [password("plain", secret="wrong"), {"security_protocol": "SSL"},
     {"security_protocol": "SSL", "ssl_certfile": "stranger.pem"},
     {**password("plain"), "ssl_cafile": "stranger.pem"}],
    ids=["password", "no certificate", "a stranger's certificate", "a stranger's broker"],
)  # fmt: skip
async def test_who_is_not_let_in_waits_and_is_not_ready(
    secured: Secured, by: dict[str, str]
) -> None:
    files = {n: str(secured.folder / v) for n, v in by.items() if n.endswith("file")}
    settings = secured.settings(**{**by, **files})
    with pytest.raises(TopicsNotCreated):
        await provision(
            settings, [TopicPlan(name="t", partitions=1, replication=1, retention_ms=-1)]
        )
    bus = KafkaBus(settings)
    starting = asyncio.create_task(bus.start())
    await asyncio.sleep(1)
    assert f"broker at {settings.bootstrap}" in (bus.ready() or "")
    starting.cancel()
    await asyncio.wait([starting])
    await bus.stop(0)


@pytest.mark.parametrize(
    ("told", "named"),
    [({"security_protocol": "SSL", "ssl_cafile": "/no/such.pem"}, "ACTALOG_KAFKA_SSL_CAFILE=/no"),
     ({"security_protocol": "SSL", "ssl_cafile": __file__}, "ACTALOG_KAFKA_SSL_CAFILE="),
     ({"security_protocol": "SSL", "ssl_certfile": "/no/such.pem"}, "ACTALOG_KAFKA_SSL_CERTFILE="),
     ({"security_protocol": "SSL", "ssl_keyfile": "k"}, "without ACTALOG_KAFKA_SSL_CERTFILE"),
     (password("u", "GSSAPI"), "ACTALOG_KAFKA_SASL_MECHANISM=GSSAPI"),
     (password(""), "ACTALOG_KAFKA_SASL_USERNAME"),
     (password("u", secret=""), "ACTALOG_KAFKA_SASL_PASSWORD")],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_named(told: dict[str, str], named: str) -> None:
    with pytest.raises(SettingMissing, match=named):
        security(KafkaSettings(bootstrap="b", **told))  # pyright: ignore[reportArgumentType]


def test_the_consumers_speak_what_every_other_client_speaks():
    assert tuple(SASL) == MECHANISMS
