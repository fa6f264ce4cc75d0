"""What the world is told of a run: each event of the log, and a result when it ends or pauses."""

from collections.abc import Sequence
from datetime import datetime

import orjson
import structlog

from actalog_bus.envelope import body, headers
from actalog_bus.ports import Bus, Headers, Outgoing
from actalog_conductor.addresses import echoed, reply_partition
from actalog_conductor.agent_states import Finished, Paused
from actalog_conductor.live import Live
from actalog_conductor.results import LIMIT_BYTES, result_of, shortened, stored_output
from actalog_contracts import topics
from actalog_contracts.tasks import OutputRef, RunResult
from actalog_core import homes
from actalog_core.clock import rfc3339
from actalog_core.errors import ActalogError
from actalog_core.places import located
from actalog_log.ports import RunLog, RunRow, StoredEvent

log = structlog.get_logger()


class Publisher:
    """Makes the records; repeats carry the same ids (protocol 7)."""

    def __init__(self, bus: Bus, runs: RunLog, *, prefix: str) -> None:
        self.bus, self.log, self.prefix = bus, runs, prefix

    def events(self, row: RunRow, stored: Sequence[tuple[StoredEvent, bytes]]) -> list[Outgoing]:
        """The audit feed, of events with their payloads: what the log holds, not read again."""
        topic = topics.full_name(topics.EVENTS, self.prefix)
        return [
            self._home(
                topic, row, *event_record(row, *one), type=one[0].type,
                causation_id=one[0].causation_id, at=one[0].recorded_at,
            )
            for one in stored
        ]  # fmt: skip

    def goes_elsewhere(self, live: Live) -> bool:
        """Whether the sender wants the result on a topic of its own."""
        state = live.state
        return isinstance(state, (Finished, Paused)) and state.facts.accepted.reply_to is not None

    async def result(self, live: Live) -> list[Outgoing]:
        """The result of a run that a task started; no other has one."""
        if live.row.turn is None or not isinstance(live.state, (Finished, Paused)):
            return []
        said = await self._claim_check(live, result_of(live))
        topic = topics.full_name(topics.RESULTS, self.prefix)
        accepted = live.state.facts.accepted
        return [
            self._home(
                topic, live.row, said.id, body(said), type=said.type,
                correlation_id=said.correlation_id, echo=echoed(accepted.echo_headers),
            )
        ]  # fmt: skip

    async def result_elsewhere(self, live: Live) -> None:
        """To the topic that the task named; where nobody takes it there, to the results after all:
        a run whose sender cannot be reached must not be told for ever."""
        for one in await self.result(live):
            accepted = getattr(live.state, "facts").accepted  # noqa: B009
            kept = tuple((name, text.encode("latin-1")) for name, text in accepted.echo_headers)
            try:
                await self.bus.publish(
                    accepted.reply_to, value=one.value, key=one.key, headers=one.headers,
                    partition=reply_partition(kept),
                )  # fmt: skip
            except ActalogError as error:
                log.warning("no reply topic", topic=accepted.reply_to, error=str(error))
                await self.bus.publish_many([one])

    async def _claim_check(self, live: Live, said: RunResult) -> RunResult:
        """Above the message limit the output travels by reference (design 6), and arguments that
        a person is asked about are left to the run's log."""
        if len(body(said)) <= LIMIT_BYTES:
            return said
        if said.requirements:
            return said.model_copy(
                update={"requirements": tuple(map(shortened, said.requirements))}
            )
        if said.output is None:
            return said
        blob = stored_output(said, await self.log.installation_key())
        await self.log.put_blob(live.row.tenant_id, blob.id, blob.media_type, blob.data)
        url = located("v1", "blobs", blob.id, tenant_id=live.row.tenant_id)
        ref = OutputRef(digest=blob.digest, bytes=len(blob.data), url=url)
        return said.model_copy(update={"output": None, "output_ref": ref})

    def _home(
        self, topic: str, row: RunRow, id: str, value: bytes, *, type: str,
        correlation_id: str | None = None, causation_id: str | None = None, echo: Headers = (),
        at: datetime | None = None,
    ) -> Outgoing:  # fmt: skip
        said = headers(
            type=type, id=id, tenant_id=row.tenant_id, run_id=row.run_id,
            correlation_id=correlation_id, causation_id=causation_id, at=at,
        )  # fmt: skip
        return Outgoing(
            topic, value, row.session_id.encode(), (*said, *echo),
            homes.home(row.session_id, self.bus.partitions(topic)),
        )  # fmt: skip


def event_record(row: RunRow, event: StoredEvent, payload: bytes) -> tuple[str, bytes]:
    """(id, JSON of a PublishedEvent). Canonical bytes are carried as they are."""
    id = f"{row.run_id}:{event.seq}"
    said: dict[str, object] = {
        "id": id, "run_id": row.run_id, "seq": event.seq, "session_id": row.session_id,
        "tenant_id": row.tenant_id, "type": event.type, "recorded_at": rfc3339(event.recorded_at),
        "run_no": row.run_no, "rules_version": event.rules_version,
        "previous_hash": event.previous_hash.hex(), "hash": event.hash.hex(),
    }  # fmt: skip
    for name, value in (
        ("user_id", row.user_id), ("parent_run_id", row.parent_run_id), ("turn", row.turn),
        ("causation_id", event.causation_id),
    ):  # fmt: skip
        if value is not None:
            said[name] = value
    if len(payload) <= LIMIT_BYTES:
        said["payload"] = orjson.Fragment(payload)
        return id, orjson.dumps(said)
    place = ("v1", "runs", row.run_id, "log")
    url = located(*place, tenant_id=row.tenant_id, after=event.seq - 1, limit=1)
    ref = {"digest": event.hash.hex(), "bytes": len(payload), "url": url}
    return id, orjson.dumps({**said, "payload": {}, "payload_ref": ref})
