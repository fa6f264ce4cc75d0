"""Which run a task is (protocol 1.2), and what makes two tasks the same (1.3, 2.2)."""

from actalog_bus.dead import origin
from actalog_bus.ports import Record
from actalog_contracts.border import Decoded
from actalog_contracts.tasks import TaskSubmit
from actalog_core.canonical import keyed_digest
from actalog_core.identity import body_digest, event_run_id, run_id_from

__all__ = ["body_digest", "run_id_of"]


def run_id_of(decoded: Decoded, record: Record, *, tenant_id: str, key: bytes) -> str:
    """The task's own id; else one from CloudEvents source and id; else from where it lies.

    The record's timestamp and value are part of the last, so that offsets which start again
    after a wipe collide with nothing. A redriven dead letter lies where it lay first.
    """
    message = decoded.message
    if isinstance(message, TaskSubmit) and message.run_id is not None:
        return message.run_id
    if decoded.ce_source and decoded.ce_id:
        return event_run_id(tenant_id, decoded.ce_source, decoded.ce_id, key=key)
    value = keyed_digest(key, record.value or b"")
    first = origin(record)
    told = [first.topic, first.partition, first.offset, first.timestamp_ms, value]
    return run_id_from(told, key=key)
