"""Faults of brokers and groups (protocol 16)."""

import asyncio
import contextlib
import random
import shutil
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery, Listen, Record
from actalog_bus.provision import TopicPlan, TopicsDiffer, describe, plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_core.errors import Permanent, Transient
from actalog_testing.apache_kafka import ApacheKafka, missing
from tests.integration.bus.listening import embedded, listener, until_len

PLAN = TopicPlan(name="t", partitions=2, replication=1, retention_ms=-1)
POM = Path(__file__).parents[3] / "infra" / "kafka" / "pom.xml"


@pytest.mark.kafka
@pytest.mark.apache
async def test_nothing_is_lost_when_a_member_joins_and_another_is_killed(
    apache_kafka: ApacheKafka,
) -> None:
    topic = f"t{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    await provision(settings, [TopicPlan(name=topic, partitions=4, replication=1, retention_ms=-1)])
    one, two = KafkaBus(settings), KafkaBus(settings)
    heard, heard_too = listener(one, topic), listener(two, topic)
    await one.start()
    for number in range(200):
        await one.publish(topic, value=str(number).encode(), key=b"%d" % (number % 20))
    await two.start()
    for number in range(200, 400):
        await two.publish(topic, value=str(number).encode(), key=b"%d" % (number % 20))
    await one.crash()
    async with asyncio.timeout(30):
        while len({*heard, *heard_too}) < 400:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await two.stop(1)


@pytest.mark.kafka
@pytest.mark.apache
async def test_16_3_a_member_of_a_group_outlives_a_broker_that_lost_its_data(
    tmp_path: Path,
) -> None:
    if lacks := missing():
        pytest.skip(lacks)
    node, topics = ApacheKafka(tmp_path, pom=POM), [PLAN]
    await node.start()
    settings = KafkaSettings(bootstrap=node.bootstrap, publish_timeout_s=5)
    await provision(settings, topics)
    bus, told = KafkaBus(settings), list[str]()
    heard = listener(bus, "t", began_anew=lambda: told.append("anew"))
    await bus.start()
    for number in range(40):
        await bus.publish("t", value=f"before {number}".encode(), partition=number % 2)
    await until_len(heard, 40)
    await asyncio.sleep(1)  # the offsets are committed
    await node.kill()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "server.properties").unlink()
    await node.start()
    await provision(settings, topics)
    for number in range(10):
        await until_taken(bus, f"after {number}".encode(), number % 2)
    await until_len(heard, 50)
    assert told
    await bus.stop(1)
    await node.stop()


async def until_taken(bus: KafkaBus, value: bytes, partition: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                return await bus.publish("t", value=value, partition=partition)
            except Transient:
                await asyncio.sleep(0.2)


@pytest.mark.kafka
async def test_all_topics_of_the_table_are_created_and_other_partitions_are_refused(
    embedded_broker: str,
) -> None:
    prefix = f"p{uuid.uuid4().hex[:8]}"
    settings = embedded(embedded_broker)
    wanted = plan(prefix=prefix, partitions=3, replication=1)
    assert len(await provision(settings, wanted)) == len(wanted)
    with pytest.raises(TopicsDiffer, match=f"{prefix}.tasks has 3, wanted 4"):
        await provision(settings, plan(prefix=prefix, partitions=4, replication=1))
    assert f"--topic {prefix}.tasks --partitions 3" in describe(wanted, bootstrap="b:1")[0]


@pytest.mark.kafka
@pytest.mark.apache
async def test_a_dead_letter_that_no_record_can_hold_is_cut_and_holds_nobody_up(
    apache_kafka: ApacheKafka,
) -> None:
    topic, raw = f"t{uuid.uuid4().hex[:8]}", random.Random(7).randbytes(3_000_000)
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    large = TopicPlan(name=topic, partitions=1, replication=1, retention_ms=-1, max_bytes=4_000_000)
    dead = TopicPlan(name=f"{topic}.dlq", partitions=1, replication=1, retention_ms=-1)
    await provision(settings, [large, dead])
    heard: list[bytes] = []
    letters: list[Record] = []

    async def hear(delivery: Delivery) -> None:
        if delivery.record.value == raw:
            raise Permanent("too large")
        heard.append(delivery.record.value or b"")

    async def read(delivery: Delivery) -> None:
        letters.append(delivery.record)

    bus = KafkaBus(settings)
    bus.listen(Listen([topic], f"{topic}.g", hear, lambda _: "one"))
    bus.listen(Listen([f"{topic}.dlq"], f"{topic}.d", read, lambda _: "one"))
    await bus.start()
    sender = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, max_request_size=5_000_000)
    await sender.start()
    for value in (raw, b"good"):
        await sender.send_and_wait(topic, value, headers=[("mine", b"h" * 5_000)])
    await sender.stop()
    async with asyncio.timeout(30):
        while not (letters and heard):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await bus.stop(1)
    assert heard == [b"good"]
    (letter,) = letters
    assert letter.value == raw[: len(letter.value or b"")] != b""
    assert letter.header("dlq-cut-from-bytes") == b"3000000"
    assert (letter.header("dlq-reason"), letter.header("mine")) == (b"permanent", b"h" * 5_000)


@pytest.mark.kafka
@pytest.mark.apache
@pytest.mark.parametrize("records", [1, 3, 7])
async def test_a_topic_that_was_made_anew_is_heard_from_its_first_record(
    apache_kafka: ApacheKafka, records: int
) -> None:
    topic = f"t{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    topics = [TopicPlan(name=topic, partitions=1, replication=1, retention_ms=-1)]
    await provision(settings, topics)
    bus = KafkaBus(settings)
    heard = listener(bus, topic)
    await bus.start()
    for number in range(3):
        await bus.publish(topic, value=b"old %d" % number)
    await until_len(heard, 3)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()
    while await provision(settings, topics) == []:
        pass
    for number in range(records):
        async with asyncio.timeout(30):
            await told(bus, topic, b"new %d" % number)
    await until_len(heard, 3 + records)
    await bus.stop(1)


async def told(bus: KafkaBus, topic: str, value: bytes) -> None:
    while True:
        with contextlib.suppress(Transient):
            return await bus.publish(topic, value=value)


@pytest.mark.kafka
@pytest.mark.apache
async def test_offsets_that_were_committed_to_another_log_are_not_trusted(
    apache_kafka: ApacheKafka,
) -> None:
    topic = f"t{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    topics = [TopicPlan(name=topic, partitions=2, replication=1, retention_ms=-1)]
    await provision(settings, topics)
    sender, one = KafkaBus(settings), KafkaBus(settings)
    await sender.start()
    for number in range(10):
        await sender.publish(topic, value=b"%d" % number, partition=number % 2)
    # What a broker kept that made the topic anew: of partition 0 a time that is none of its
    # records'; of partition 1 what somebody else's consumer would have committed.
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, group_id=f"{topic}.g", enable_auto_commit=False
    ) as before:
        places = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        before.assign(places)
        await before.commit({places[0]: (3, "2@1600000000000"), places[1]: (3, "")})
    heard = listener(one, topic)
    await one.start()
    await until_len(heard, 7)
    assert sorted(heard) == ["0", "2", "4", "6", "7", "8", "9"]
    await one.stop(1)
    # What we committed ourselves is trusted: nothing is heard again.
    two = KafkaBus(settings)
    heard = listener(two, topic)
    await two.start()
    await sender.publish(topic, value=b"10", partition=0)
    await until_len(heard, 1)
    assert heard == ["10"]
    await two.stop(1)
    await sender.stop(1)


@pytest.mark.kafka
@pytest.mark.apache
async def test_a_rebuilt_producer_knows_the_topics_that_it_has_not_sent_to_yet(
    apache_kafka: ApacheKafka,
) -> None:
    name = f"t{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    small = TopicPlan(
        name=f"{name}.small", partitions=1, replication=1, retention_ms=-1, max_bytes=1_000
    )
    other = TopicPlan(name=f"{name}.other", partitions=3, replication=1, retention_ms=-1)
    await provision(settings, [small, other])
    bus = KafkaBus(settings)
    listener(bus, small.name)
    await bus.start()
    try:
        await bus.publish(small.name, value=b"begin")
        with pytest.raises(Permanent):
            await bus.publish(small.name, value=b"x" * 5_000)  # refused: the sequence is broken
        with pytest.raises(Transient):
            await bus.publish(small.name, value=b"behind it")
        await bus.publish(small.name, value=b"again")
        await asyncio.sleep(0.5)  # the new producer has heard of where it sends
        assert bus.partitions(other.name) == 3
        await bus.publish(other.name, value=b"there", partition=2)
    finally:
        await bus.stop(1)


@pytest.mark.kafka
@pytest.mark.apache
async def test_a_topic_that_was_made_late_becomes_known(apache_kafka: ApacheKafka) -> None:
    name = f"t{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    bus = KafkaBus(settings)
    await bus.start()
    try:
        with pytest.raises(Transient):
            bus.partitions(name)
        plan = TopicPlan(name=name, partitions=3, replication=1, retention_ms=-1)
        await provision(settings, [plan])
        count = None
        async with asyncio.timeout(10):
            while count is None:
                with contextlib.suppress(Transient):
                    count = bus.partitions(name)
                await asyncio.sleep(0.05)
        assert count == 3
    finally:
        await bus.stop(1)


@pytest.mark.kafka
@pytest.mark.apache
async def test_the_topics_of_others_are_not_followed(apache_kafka: ApacheKafka) -> None:
    name = f"t{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap, prefix=f"{name}.ours")
    plans = [
        TopicPlan(name=f"{name}.{one}", partitions=2, replication=1, retention_ms=-1)
        for one in ("ours", "others")
    ]
    await provision(settings, plans)
    bus = KafkaBus(settings)
    heard = listener(bus, f"{name}.ours")
    await bus.start()
    try:
        assert bus.partitions(f"{name}.ours") == 2
        with pytest.raises(Transient):
            bus.partitions(f"{name}.others")
        await bus.publish(f"{name}.others", value=b"a reply that somebody asked for")
        await bus.publish(f"{name}.ours", value=b"1")
        await until_len(heard, 1)
    finally:
        await bus.stop(1)
