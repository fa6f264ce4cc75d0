"""CloudEvents 1.0 in binary mode: what the platform writes (interface.md, section 1)."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from actalog_bus.ports import Bus, Headers, Outgoing, Record
from actalog_bus.ready import PRIORITY
from actalog_contracts import topics
from actalog_contracts.base import Message
from actalog_contracts.calls import AnyReply, Command, Remember
from actalog_contracts.streams import Delta, Progress
from actalog_core import crashpoints, homes
from actalog_core.clock import rfc3339, system_clock
from actalog_core.errors import Transient

JSON = b"application/json"
AGAIN = "again"  # the header of a command that may have been sent before
# Where schemas are, for consumers: a CloudEvent's `dataschema` is absolute, or SDKs refuse the event.
_gateway = "http://localhost:7777"
NAMESPACE = uuid.UUID("6f0a3c1e-5a57-4d5a-9a0e-2f6f3d2c9b11")


def stable_id(*parts: object) -> str:
    """An id that is a function of its parts, so that a repeat has the same one."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(map(str, parts))))


def source(tenant_id: str, service: str) -> str:
    """`ce_source` of what a service says."""
    return f"/actalog/{tenant_id}/{service}"


def gateway_is_at(url: str) -> None:
    """Who assembles services says where others reach the gateway: one address in a process."""
    global _gateway
    _gateway = url.rstrip("/")
    _of_kind.cache_clear()


def headers(
    *,
    type: str,
    id: str,
    tenant_id: str,
    run_id: str | None = None,
    causation_id: str | None = None,
    correlation_id: str | None = None,
    traceparent: str | None = None,
    at: datetime | None = None,
    service: str = "conductor",
    extra: Mapping[str, str] | None = None,
) -> Headers:
    """The `ce_*` headers of a message. Written out: every record that is published has them."""
    told = [("ce_id", id.encode()), *_of_kind(type, tenant_id, service)]
    if run_id is not None:
        told.append(("ce_subject", run_id.encode()))
    told.append(("ce_time", rfc3339(at or system_clock()).encode()))
    if correlation_id is not None:
        told.append(("ce_correlationid", correlation_id.encode()))
    if causation_id is not None:
        told.append(("ce_causationid", causation_id.encode()))
    if traceparent is not None:
        told.append(("traceparent", traceparent.encode()))
    if extra is not None:
        told += [(name, value.encode()) for name, value in extra.items()]
    return tuple(told)


@lru_cache(1_024)
def _of_kind(type: str, tenant_id: str, service: str) -> Headers:
    """What is the same in all messages of a kind."""
    return (
        ("ce_specversion", b"1.0"), ("ce_type", type.encode()),
        ("ce_source", source(tenant_id, service).encode()),
        ("ce_dataschema", f"{_gateway}/schemas/{type}.json".encode()), ("content-type", JSON),
    )  # fmt: skip


def body(message: Message) -> bytes:
    """The JSON of a message, without fields that are None."""
    return message.model_dump_json(exclude_none=True).encode()


class Postman:
    """Sends the platform's own messages to where they belong."""

    def __init__(self, bus: Bus, *, prefix: str, service: str) -> None:
        self.bus, self.prefix, self.service = bus, prefix, service

    async def command(self, command: Command, *, traceparent: str | None = None) -> None:
        """Ask a service. Tool commands are keyed by call, the others by run."""
        await self.bus.publish_many([self.request(command, traceparent=traceparent)])

    async def command_elsewhere(self, command: Command) -> None:
        """Ask again what a dead worker holds, and not where it may still be awaited: its
        partitions are nobody's until its session ends, which may be later than its lease."""
        request = self.request(command, again=True)
        count = self.bus.partitions(request.topic)
        at = homes.elsewhere((request.key or b"").decode(), count)
        await self.bus.publish_many([replace(request, partition=at)])

    def request(
        self, command: Command, *, traceparent: str | None = None, again: bool = False
    ) -> Outgoing:
        """The record of a command. `again`: somebody may have heard it already."""
        extra = {AGAIN: "1"} if again else dict[str, str]()
        if command.priority:
            extra[PRIORITY] = str(command.priority)
        table = topics.COMMAND_TOPICS[type(command)]
        topic = topics.full_name(table, self.prefix)
        key = command.call_id if table.key == "call" else command.run_id
        reply = command.reply if isinstance(command, Remember) else None
        message_id = stable_id(command.tenant_id, command.call_id, reply)
        return Outgoing(
            topic,
            value=body(command),
            key=key.encode(),
            partition=self._home(topic, key),
            headers=headers(
                type=getattr(command, "type"), id=message_id, tenant_id=command.tenant_id,  # noqa: B009
                run_id=command.run_id, traceparent=traceparent, service=self.service,
                extra=extra or None,
            ),
        )  # fmt: skip

    async def reply(
        self, reply: AnyReply, *, causation: Record | None = None, told: bytes | None = None
    ) -> None:
        """Answer the conductor, at the session's home. `told` is its JSON, where it is known."""
        if crashpoints.armed:
            crashpoints.reach("reply.sending")
        await self.bus.publish_many([self.answer(reply, causation=causation, told=told)])
        if crashpoints.armed:
            crashpoints.reach("reply.sent")

    def answer(
        self, reply: AnyReply, *, causation: Record | None = None, told: bytes | None = None
    ) -> Outgoing:
        """The record of an answer."""
        topic = topics.full_name(topics.REPLIES, self.prefix)
        trace = causation.header("traceparent") if causation else None
        cause = causation.header("ce_id") if causation else None
        return Outgoing(
            topic,
            value=told or body(reply),
            key=reply.session_id.encode(),
            partition=homes.home(reply.session_id, self.bus.partitions(topic)),
            headers=headers(
                type=reply.type, id=str(uuid.uuid4()), tenant_id=reply.tenant_id,
                run_id=reply.run_id, causation_id=cause.decode() if cause else None,
                traceparent=trace.decode() if trace else None, service=self.service,
            ),
        )  # fmt: skip

    async def stream(self, message: Delta | Progress) -> None:
        """A delta for people. The caller does not care whether it arrives."""
        await self.bus.publish_many([self.shown(message)])

    def shown(self, message: Delta | Progress) -> Outgoing:
        """The record of a delta."""
        topic = topics.full_name(topics.STREAM, self.prefix)
        what = f"{message.kind}:{message.offset}" if isinstance(message, Delta) else message.what
        return Outgoing(
            topic,
            value=body(message),
            key=message.session_id.encode(),
            partition=self._home(topic, message.session_id),
            headers=headers(
                type=message.type, id=f"{message.call_id}:{message.epoch}:{what}",
                tenant_id=message.tenant_id, run_id=message.run_id, service=self.service,
            ),
        )  # fmt: skip

    def _home(self, topic: str, key: str) -> int | None:
        """Where a producer puts a record of this key, worked out once for many. None where the
        broker has not told of the topic: the producer asks, and a delta must not fail an answer."""
        try:
            return homes.home(key, self.bus.partitions(topic))
        except Transient:
            return None
