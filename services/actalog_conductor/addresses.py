"""Where a sender wants its result, and which of its headers come back with it."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from actalog_bus.ports import Headers, Record
from actalog_conductor.refused import Refused
from actalog_contracts.tasks import TaskSubmit
from actalog_core.addresses import listed
from actalog_core.reply_topics import ReplyTopics
from actalog_core.values import frozen

# Spring's request and reply over Kafka names them so.
REPLY_TOPIC, CORRELATION = "kafka_replyTopic", "kafka_correlationId"
REPLY_PARTITION = "kafka_replyPartition"  # four bytes, from whoever reads that one alone
# What the platform itself says of a message, whatever the operator's patterns take in.
OURS = ("ce_", "content-type", "traceparent", "tracestate", "actalog-", "dlq-", "redrive-")
LONGEST_ECHO = 4_096  # bytes, of all echoed headers


@frozen
class Address:
    reply_to: str | None = None
    correlation_id: str | None = None
    echo: tuple[tuple[str, str], ...] = ()  # values as latin-1


class Addresses:
    """Judges by the operator's settings: patterns, one after the other, with commas between."""

    def __init__(self, *, reply_topics: str, echo_headers: str, prefix: str) -> None:
        self.reply_topics = ReplyTopics(reply_topics, prefix=prefix)
        self.echo_headers = listed(echo_headers)
        self.results = self.reply_topics.results

    def of(self, task: TaskSubmit, headers: Headers, correlation_id: str | None) -> Address:
        """The address of a task. `correlation_id`: as its envelope has it.

        Raises:
            Refused: the topic is not one that the operator allows.
        """
        said = dict(headers)
        header = said.get(REPLY_TOPIC)
        reply_to = task.reply_to or (header.decode("utf-8", "replace") if header else None)
        if reply_to is not None and not self.reply_topics.allow(reply_to):
            text = self.reply_topics.refusal(reply_to)
            raise Refused("not_allowed", text, field="reply_to", run_id=task.run_id)
        elsewhere = reply_to is not None and reply_to != self.results
        kept = self._echo(headers, REPLY_PARTITION) if elsewhere else self._echo(headers)
        named = task.correlation_id or correlation(headers) or correlation_id
        return Address(reply_to if elsewhere else None, named, kept)

    def echo(self, headers: Headers) -> Headers:
        """Those of a message's headers that come back with what is said of it."""
        return echoed(self._echo(headers))

    def refusal_topic(self, record: Record, reply_to: str | None) -> str:
        """Where a refusal goes: where the message that is refused says, if it may say so."""
        header = record.header(REPLY_TOPIC)
        topic = reply_to or (header.decode("utf-8", "replace") if header else None)
        return topic if topic and self.reply_topics.allow(topic) else self.results

    def _echo(self, headers: Headers, *also: str) -> tuple[tuple[str, str], ...]:
        wanted = (CORRELATION, *also, *self.echo_headers)
        found = [
            (name, value) for name, value in headers if _matches(name, wanted) and not _ours(name)
        ]
        size, told = 0, list[tuple[str, str]]()
        for name, value in found:
            size += len(name) + len(value)
            if size <= LONGEST_ECHO and name.isascii():
                told.append((name, value.decode("latin-1")))
        return tuple(told)


def echoed(kept: Sequence[tuple[str, str]]) -> Headers:
    """Headers of a task that its result carries, out of what was kept of them."""
    return tuple((n, text.encode("latin-1")) for n, text in kept if n != REPLY_PARTITION)


def reply_partition(headers: Headers) -> int | None:
    """Where on the reply topic its sender waits; None: anywhere."""
    told = dict(headers).get(REPLY_PARTITION, b"")
    at = int.from_bytes(told, "big", signed=True) if len(told) == 4 else -1
    return at if at >= 0 else None


def correlation(headers: Headers) -> str | None:
    """What a message's headers name it by."""
    said = dict(headers)
    return _text(said.get("ce_correlationid")) or _text(said.get(CORRELATION))


def _ours(name: str) -> bool:
    """Whether it is a header that a result has of its own: a consumer takes the last of a name."""
    return name.lower().startswith(OURS)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _text(value: bytes | None) -> str | None:
    """An id that can be read as text; Spring's own are 16 bytes and only echoed."""
    try:
        told = (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return told if told.isprintable() and 0 < len(told) <= 200 else None
