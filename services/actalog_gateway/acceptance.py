"""Accepted means: in the inbox (protocol 2.1). Kafka hears of it at the same time, if it can."""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import structlog

from actalog_bus.envelope import headers, source
from actalog_bus.ports import Bus
from actalog_bus.ready import PRIORITY
from actalog_contracts import topics
from actalog_contracts.base import FromOutside
from actalog_contracts.border import BadInput, decode
from actalog_contracts.tasks import RequirementResolve, RunCancel, TaskSubmit
from actalog_core import crashpoints, homes, metrics, tracing
from actalog_core.clock import Clock, system_clock
from actalog_core.errors import Transient
from actalog_core.identity import body_digest, event_run_id, run_id_from
from actalog_core.reply_topics import ReplyTopics
from actalog_core.sure_clock import SureClock
from actalog_gateway.admission import Admission, cloud_events
from actalog_gateway.deployed import Deployed
from actalog_gateway.problems import Problem
from actalog_gateway.reader import Reader
from actalog_log.beside_ports import InboxRow
from actalog_log.ports import FoundRun, RunLog

INBOX_ID = "actalog-inbox-id"
INBOX_LIMIT = 100_000  # rows; about a gigabyte of waiting tasks, minutes of work
DEPTH_EVERY_S = 1.0
PUBLISH_S = 2.0  # the inbox has it: whoever finds no broker in time leaves it to the supervisor
PUBLISHING_MOST = 1_000
KEY_LIMIT = 512
TENANT_SHARE = 0.5  # of the inbox: one tenant's flood leaves room for the others
TAKING_MOST = 1_000  # requests at once: each holds up to 1 MiB while the database is slow

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client is told. `target` has its kind."""

    run_id: str
    session_id: str
    target: str
    tenant_id: str


class Acceptance:
    """Takes messages from HTTP. A part of the service: what is being published ends with it."""

    def __init__(
        self, *, bus: Bus, log: RunLog, prefix: str, reply_topics: str = "",
        inbox_limit: int = INBOX_LIMIT, clock: Clock = system_clock,
    ) -> None:  # fmt: skip
        self.bus, self.log, self.reader = bus, log, Reader(log)
        self.deployed = Deployed(log)
        self.topic = topics.full_name(topics.TASKS, prefix)
        self.admission = Admission(log, SureClock(clock), ReplyTopics(reply_topics, prefix=prefix))
        self.inbox_limit = inbox_limit
        self._depths: Counter[str] = Counter()
        self._depth_until, self._taking = 0.0, 0
        self._publishing: set[asyncio.Task[None]] = set()

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Wait briefly for what is being published; the inbox has the rest."""
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=0.5)
        for task in list(self._publishing):
            task.cancel()

    def ready(self) -> str | None:
        return None

    async def submit(
        self, body: bytes, said: Mapping[str, str], *, tenant_id: str | None,
        key: str | None = None,
    ) -> Accepted:  # fmt: skip
        """A task as JSON. `said` are the request's headers, `key` its Idempotency-Key, `tenant_id`
        what its address says.

        Raises:
            BadInput, Problem: it is refused; nothing of it is kept.
        """
        decoded = decode(body, {name: text.encode() for name, text in cloud_events(said).items()})
        if not isinstance(decoded.message, TaskSubmit):
            raise BadInput(f"{decoded.message.type} is no task", field="type")
        task = decoded.message
        if tenant_id and task.tenant_id not in (None, tenant_id):
            # Whoever guards this gateway may have put it there.
            raise BadInput("another tenant than that of the address", field="tenant_id")
        if task.correlation_id is None and decoded.correlation_id:  # no part of what is compared
            task = task.model_copy(update={"correlation_id": decoded.correlation_id})
        event = (decoded.ce_source, decoded.ce_id) if decoded.ce_source and decoded.ce_id else None
        return await self.take(task, tenant_id=tenant_id or "default", key=key, event=event)

    async def take(
        self, task: TaskSubmit, *, tenant_id: str, key: str | None = None,
        event: tuple[str, str] | None = None,
    ) -> Accepted:  # fmt: skip
        """A task that was read. `event`: source and id of the CloudEvent it came in."""
        if self._taking >= TAKING_MOST:
            said = f"{self._taking} tasks are being accepted already"
            raise Problem("overloaded", said, status=503, retry_after_s=1)
        self._taking += 1
        try:
            tenant_id = task.tenant_id or tenant_id
            named = task.run_id or await self._named(tenant_id, key, event)
            return await self._take(task, tenant_id=tenant_id, named=named)
        finally:
            self._taking -= 1

    async def _take(self, task: TaskSubmit, *, tenant_id: str, named: str | None) -> Accepted:
        if crashpoints.armed:
            crashpoints.reach("gateway.hearing")
        target = await self.deployed.target(task.target)
        await self.room(tenant_id)
        known, run_id = named is not None, named or str(uuid.uuid4())
        told = {} if tenant_id == "default" else {"tenant_id": tenant_id}
        task = task.model_copy(update={"run_id": run_id, **told})
        session_id = task.session_id or run_id
        if known and await self._again(tenant_id, task):
            return Accepted(run_id, session_id, target, tenant_id)
        await self.admission.admit(task, tenant_id)
        row = _row(tenant_id, run_id, task)
        if not known:
            await self._put_and_publish(row, session_id)
        elif await self._put(row):
            self._publish(row, session_id)
        elif not await self._again(tenant_id, task):
            raise Problem("overloaded", "the task is being decided; send it again", status=503,
                          retry_after_s=1)  # fmt: skip
        self._depths[tenant_id] += 1  # until it is counted again
        return Accepted(run_id, session_id, target, tenant_id)

    async def cancel(self, cancel: RunCancel, *, tenant_id: str, session_id: str) -> None:
        """Accept a cancel, also of a run nobody knows yet (protocol 2.3)."""
        row = _row(tenant_id, await self._control("cancel", cancel.run_id), cancel)
        if await self._put(row):
            self._publish(row, session_id)

    async def resolve(self, answer: RequirementResolve, *, tenant_id: str, session_id: str) -> None:
        """Accept an answer to a requirement that is open.

        Raises:
            Problem: another answer waits to be decided already.
        """
        inbox_id = await self._control("resolve", answer.requirement_id)
        row = _row(tenant_id, inbox_id, answer)
        if await self._put(row):
            self._publish(row, session_id)
            return
        waiting = await self.log.get_inbox(tenant_id, inbox_id)
        if waiting is not None and waiting.body != row.body:
            said = "another answer was accepted before"
            raise Problem("already_resolved", said, field="requirement_id")

    async def _control(self, what: str, id: str) -> str:
        """Where a control waits: in one inbox with tasks, whose ids people choose freely."""
        return f"{what}:{run_id_from([what, id], key=await self.reader.key())}"

    async def room(self, tenant_id: str | None = None) -> None:
        """The depth is sampled about once a second; in between what is accepted here is added.

        Raises:
            Problem: 503 above the inbox's limit, 429 above a tenant's share of it.
        """
        now = asyncio.get_running_loop().time()
        if now > self._depth_until:
            self._depth_until = now + DEPTH_EVERY_S
            self._depths = Counter(await self.log.inbox_depths())
            metrics.INBOX_DEPTH.set(self._depths.total())
        if (depth := self._depths.total()) > self.inbox_limit:
            said = f"{depth} accepted messages wait already; at most {self.inbox_limit} do"
            raise Problem("overloaded", said, status=503, retry_after_s=5)
        share = int(self.inbox_limit * TENANT_SHARE)
        if tenant_id is not None and (mine := self._depths[tenant_id]) > share:
            said = f"{mine} messages of this tenant wait already; at most {share} do"
            raise Problem("overloaded", said, status=429, retry_after_s=5)

    async def _named(
        self, tenant_id: str, key: str | None, event: tuple[str, str] | None
    ) -> str | None:
        """The run that an Idempotency-Key stands for in this tenant, or an event anywhere."""
        if key is None:
            if event is None:
                return None
            return event_run_id(tenant_id, *event, key=await self.reader.key())
        if not 0 < len(key) <= KEY_LIMIT:
            said = f"Idempotency-Key: between 1 and {KEY_LIMIT} characters"
            raise BadInput(said, field="Idempotency-Key")
        told = ["idempotency-key", tenant_id, key]
        return run_id_from(told, key=await self.reader.key())

    async def _again(self, tenant_id: str, task: TaskSubmit) -> bool:
        """Whether the task is known already.

        Raises:
            Problem: its id is, with another body (`conflict`).
        """
        assert task.run_id is not None
        key = await self.reader.key()
        waiting = await self.log.get_inbox(tenant_id, task.run_id)
        found = await self.log.find_run(tenant_id, task.run_id) if waiting is None else None
        match waiting, found:
            case InboxRow(body=body), _:
                known = body_digest(TaskSubmit.model_validate_json(body), key=key)
            case _, FoundRun(row=row):
                known = row.body_digest
            case _:
                return False
        if known != body_digest(task, key=key):
            raise Problem("conflict", "a run with this id has another body", field="run_id")
        return True

    async def _put(self, row: InboxRow) -> bool:
        """False when a row of this id waits there already."""
        if crashpoints.armed:
            crashpoints.reach("gateway.accepting")
        new = await self.log.put_inbox(row)
        if crashpoints.armed:
            crashpoints.reach("gateway.accepted")
        return new

    async def _put_and_publish(self, row: InboxRow, session_id: str) -> None:
        """Both at once: nobody else can know an id that was made here. Who hears it in this very
        process would be there before the row is."""
        if self.bus.near(self.topic):
            await self._put(row)
            self._publish(row, session_id)
            return
        publishing = self._publish(row, session_id)
        try:
            await asyncio.sleep(0)  # the record leaves first: it has the longer way
            await self._put(row)
        except BaseException:
            if publishing:
                publishing.cancel()
            raise

    def _publish(self, row: InboxRow, session_id: str) -> asyncio.Task[None] | None:
        """In the background: no client waits for Kafka."""
        if len(self._publishing) >= PUBLISHING_MOST:
            return None
        task = asyncio.create_task(self._send(row, session_id))
        self._publishing.add(task)
        task.add_done_callback(self._published)
        return task

    async def _send(self, row: InboxRow, session_id: str) -> None:
        told = headers(
            type=row.headers["ce_type"], id=row.inbox_id, tenant_id=row.tenant_id,
            service="gateway", traceparent=row.headers.get("traceparent"),
            extra={name: said for name, said in row.headers.items() if name == PRIORITY}
            | {INBOX_ID: row.inbox_id},
        )  # fmt: skip
        if crashpoints.armed:
            crashpoints.reach("gateway.sending")
        async with asyncio.timeout(PUBLISH_S):
            await self.bus.publish(
                self.topic, value=row.body, key=session_id.encode(), headers=told,
                partition=self._home(session_id),
            )  # fmt: skip
        if crashpoints.armed:
            crashpoints.reach("gateway.sent")

    def _published(self, task: asyncio.Task[None]) -> None:
        self._publishing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("left to the inbox", reason=type(error).__name__)

    def _home(self, session_id: str) -> int | None:
        """None where the topic is not known yet: warmth is lost, nothing else (protocol 2.4)."""
        with contextlib.suppress(Transient):
            return homes.home(session_id, self.bus.partitions(self.topic))
        return None


def _row(tenant_id: str, inbox_id: str, message: FromOutside) -> InboxRow:
    """`ce_type` says what the row is before its JSON is read."""
    body = message.model_dump_json(exclude_unset=True).encode()
    content = orjson.loads(body)
    kind = content.setdefault("type", type(message).model_fields["type"].default)
    # As the record has it: who is heard from the row is the same sender.
    told = {"ce_type": str(kind), "ce_source": source(tenant_id, "gateway")}
    if isinstance(message, TaskSubmit) and message.priority:
        told[PRIORITY] = str(message.priority)
    if trace := tracing.inject():
        told["traceparent"] = trace
    return InboxRow(tenant_id, inbox_id, orjson.dumps(content), headers=told)
