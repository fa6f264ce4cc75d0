"""What a consumer has fetched, and a record of it as ours."""

from aiokafka import ConsumerRecord, TopicPartition

from actalog_bus.ports import Record

Found = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]


def heard(found: ConsumerRecord[bytes, bytes]) -> Record:
    """aiokafka's record as ours."""
    return Record(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        timestamp_ms=found.timestamp,
        key=found.key,
        value=found.value,
        headers=tuple([(name, value or b"") for name, value in found.headers]),
    )
