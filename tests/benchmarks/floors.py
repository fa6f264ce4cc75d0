"""What the machine itself allows, measured in the same run: a durable INSERT, a hop of the broker.

One after the other without a pause they find every process awake and every cache warm. With
`pause_s` between them they are asked as a service is that has little to do.
"""

# aiokafka's records have no static types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import statistics
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from actalog_log.database import connect


async def durable_insert_ms(dsn: str, times: int = 300, *, pause_s: float = 0.0) -> float:
    """p50 of one durable INSERT of 400 bytes on one connection."""
    connection = await connect(dsn)
    try:
        await connection.execute(
            "create table if not exists bench_floor (id bigint, body bytea); truncate bench_floor"
        )
        took: list[float] = []
        for number in range(times):
            await asyncio.sleep(pause_s)
            began = time.perf_counter()
            await connection.execute("insert into bench_floor values ($1, $2)", number, b"x" * 400)
            took.append((time.perf_counter() - began) * 1000)
        return statistics.median(took)
    finally:
        await connection.close()


async def hop_ms(
    bootstrap: str,
    *,
    fetch_wait_ms: int,
    idempotence: bool,
    times: int = 200,
    pause_s: float = 0.0,
) -> float:
    """p50 from produce to consume of 700 bytes, with the fetch wait that our consumers use."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=idempotence
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, fetch_max_wait_ms=fetch_wait_ms, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        took: list[float] = []
        for _ in range(times + 20):
            await asyncio.sleep(pause_s)
            began = time.perf_counter()
            sending = await producer.send(topic, b"x" * 700, partition=0)
            await asyncio.gather(sending, consumer.getone())
            took.append((time.perf_counter() - began) * 1000)
        return statistics.median(took[20:])
    finally:
        await consumer.stop()
        await producer.stop()
