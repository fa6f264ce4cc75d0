"""What is published when a record is given up: the dead letter, and word to the run it was of.

A dead letter that belongs to a run ends or pauses that run (no run waits for ever): the conductor
hears `call.buried.v1` on `actalog.replies`, beside the letter.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import orjson
import structlog

from actalog_bus.dead import cut, dead_letter, origin
from actalog_bus.envelope import body, headers, stable_id
from actalog_bus.ports import Fault, Listen, Outgoing, Record
from actalog_contracts import topics
from actalog_contracts.calls import CallBuried
from actalog_contracts.strict_json import MAX_INTEGER
from actalog_core import metrics
from actalog_core.errors import Permanent

OF_RUNS = (*topics.COMMAND_TOPICS.values(), topics.REPLIES)
PublishMany = Callable[[Sequence[Outgoing]], Awaitable[None]]

log = structlog.get_logger()


async def bury_over(publish: PublishMany, listen: Listen, record: Record, fault: Fault) -> None:
    """Publish what follows from a record that is given up.

    Raises:
        Transient: the broker did not acknowledge; to be tried again.
    """
    if listen.broadcast:  # deltas for people, and events that the log has
        log.warning("dropped", topic=record.topic, reason=fault.reason)
        metrics.DEAD_LETTERS.labels(record.topic, "dropped").inc()
        return
    letter, *word = burial(record, fault)
    try:
        await publish([letter])
    except (
        Permanent
    ):  # no broker takes it whole: its beginning is better than a partition that stands
        await publish([cut(letter)])
    if word:
        await publish(word)
    if listen.buried is not None:
        await listen.buried(record, fault)
    metrics.DEAD_LETTERS.labels(record.topic, fault.reason).inc()


def burial(record: Record, fault: Fault) -> Sequence[Outgoing]:
    """The letter first: word of a letter that was not kept would be a lie."""
    out = [dead_letter(record, fault)]
    topic = next((one for one in OF_RUNS if record.topic.endswith(f".{one.name}")), None)
    said = _word(record, fault) if topic is not None else None
    if topic is not None and said is not None:
        prefix = record.topic.removesuffix(f".{topic.name}")
        out.append(
            Outgoing(
                topics.full_name(topics.REPLIES, prefix), body(said), said.session_id.encode(),
                headers(
                    type=said.type, id=stable_id("buried", *_where(record)),
                    tenant_id=said.tenant_id, run_id=said.run_id, service="bus",
                ),
            )
        )  # fmt: skip
    return out


def _where(record: Record) -> tuple[object, ...]:
    return record.topic, record.partition, record.offset, record.timestamp_ms


def _after(named: dict[str, Any]) -> int | None:
    """Behind which epoch of its call the attempt was that a command asked for, or answered."""
    if named.get("call_id") is None:
        return None
    epoch: Any = named.get("epoch")
    said: Any = epoch - 1 if isinstance(epoch, int) else named.get("after_epoch") or 0
    return said if isinstance(said, int) and 0 <= said <= MAX_INTEGER else None


def _word(record: Record, fault: Fault) -> CallBuried | None:
    """None where the record names no run: then the supervisor asks again for what was lost. Word
    that cannot be heard has no word of its own."""
    try:
        told: Any = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict):
        return None
    said = cast("dict[str, Any]", told)
    outcome: Any = said.get("outcome")
    named: Any = cast("dict[str, Any]", outcome) if isinstance(outcome, dict) else said
    if said.get("type") == "call.buried.v1":
        return None
    try:
        return CallBuried(
            tenant_id=said["tenant_id"], run_no=said["run_no"], run_id=said["run_id"],
            session_id=said["session_id"], call_id=named.get("call_id"),
            after_epoch=_after(named), reason=fault.reason, message=fault.error[:1_000],
            source=str(origin(record)),
        )  # fmt: skip
    except (KeyError, ValueError):
        return None
