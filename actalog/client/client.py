"""The client: the same five verbs over every transport."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ValidationError

from actalog import given_calls
from actalog.client.transport import Followed, Told, Transport
from actalog.errors import BadCall
from actalog_contracts.tasks import (
    PublishedEvent,
    RequirementResolve,
    RunCancel,
    RunResult,
    TaskSubmit,
)  # fmt: skip
from actalog_core import addresses
from actalog_core.calling import CALLING
from actalog_core.errors import Transient

if TYPE_CHECKING:
    from actalog.client.blocking import BlockingClient
    from actalog.platform import Platform

RESTS = (
    "run.completed.v1", "run.failed.v1", "run.blocked.v1", "run.cancelled.v1", "run.paused.v1",
)  # fmt: skip
CONNECT_S = 5.0
VERBS = ("start", "stop", "send", "watch", "result")  # of a transport
M = TypeVar("M", bound=BaseModel)
Decision = Literal["approve", "reject", "provide", "done", "not_done"]


class NoPlatform(Transient):
    """The platform cannot be reached."""


class Client:
    """Talks to a platform: `async with Client() as client`; without an event loop `with Client()
    as client`, whose verbs wait for their answers.

    Without arguments over Kafka, where the settings or a running `actalog up` say it is;
    `Client(kafka="host:9092")`, `Client(http="http://127.0.0.1:7777")` or
    `Client(platform=...)` (in this process) say so themselves.
    """

    def __init__(
        self,
        *,
        kafka: str | None = None,
        http: str | None = None,
        platform: "Platform | None" = None,
        transport: Transport | None = None,
        token: str | None = None,
        tenant_id: str | None = None,
    ) -> None:
        if sum(one is not None for one in (kafka, http, platform, transport)) > 1:
            raise BadCall("Client: one of kafka, http, platform and transport.")
        for name, given in (("token", token), ("tenant_id", tenant_id)):
            if given is not None:
                given_calls.text(name, given)
        self.tenant_id = tenant_id
        if transport is not None and not all(hasattr(transport, verb) for verb in VERBS):
            raise BadCall(f"transport must be a Transport, not {type(transport).__name__}.")
        self.transport = transport or _transport(kafka, http, token, tenant_id, platform)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __enter__(self) -> "BlockingClient":
        from actalog.client.blocking import BlockingClient
        from actalog.run.loop import BACKGROUND

        BACKGROUND.run(self.start())
        return BlockingClient(self)

    def __exit__(self, *_: object) -> None:
        from actalog.run.loop import BACKGROUND

        BACKGROUND.run(self.stop())

    async def start(self) -> None:
        """Connect.

        Raises:
            NoPlatform: nobody answers in time.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                await self.transport.start()
        except TimeoutError as error:
            with contextlib.suppress(Exception):
                await self.transport.stop()
            where = "ACTALOG_KAFKA, `actalog up` and Client(kafka=...) say where it is"
            raise NoPlatform(f"No answer in {CONNECT_S:g} s; {where}.") from error

    async def stop(self) -> None:
        """Disconnect. Runs go on."""
        await self.transport.stop()

    async def submit(
        self,
        target: str,
        input: "str | Mapping[str, Any]",
        *,
        run_id: str | None = None,
        **more: Any,
    ) -> str:
        """Submit a task; its run id. The same `run_id` twice is one run.

        `more` are the other fields of a task: session_id, user_id, session_state, dependencies,
        metadata, output_schema, deadline, priority, reply_to, correlation_id, media.

        Raises:
            BadCall: a field is unknown or of a wrong type.
            Refused: the platform refuses it (over the bus: in `result` and `stream`).
        """
        task = self.task(target, input, run_id=run_id, **more)
        await self.transport.send(task)
        return task.run_id or ""

    def task(
        self,
        target: str,
        input: "str | Mapping[str, Any]",
        *,
        run_id: str | None = None,
        **more: Any,
    ) -> TaskSubmit:
        """The message that `submit` sends."""
        known = {name: value for name, value in more.items() if value is not None}
        known |= {"target": target, "input": _plain(input)}
        known |= {"run_id": run_id or str(uuid.uuid4()), "tenant_id": self.tenant_id}
        made = _message(TaskSubmit, "a task", **known)
        _may_wait(made)
        return made

    async def result(self, run_id: str) -> RunResult:
        """Wait for the run's result: when it ends, or pauses. `asyncio.timeout` bounds it.

        Raises:
            BadCall: this is no id of a run.
        """
        return await self.transport.result(given_calls.run_id(run_id))

    @asynccontextmanager
    async def watch(
        self, run_id: str, *, after: int = 0
    ) -> AsyncGenerator[AsyncIterator[Followed]]:
        """Listen before a message is sent, so that nothing of what follows is missed."""
        known = given_calls.run_id(run_id)
        async with self.transport.watch(known, after=given_calls.after(after)) as told:
            yield told

    async def stream(self, run_id: str, *, after: int = 0) -> AsyncIterator[Told]:
        """Events and deltas of a run until it ends or pauses."""
        async with self.watch(run_id, after=after) as heard:
            async for one in heard:
                if isinstance(one, RunResult):
                    return  # what it stands for was told before; `result` has it
                yield one
                if isinstance(one, PublishedEvent) and one.type in RESTS:
                    return

    async def resolve(
        self,
        run_id: str,
        requirement_id: str,
        decision: Decision,
        *,
        digest: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        result: Any = None,
        note: str | None = None,
        by: str | None = None,
    ) -> None:
        """Answer a requirement. `digest` is that of the arguments a person saw, `arguments` are
        what the call is approved with instead, `result` is what a call in doubt that was done is
        taken to have returned (text, or what becomes JSON).

        Raises:
            BadCall: one of them is of a wrong type, or no such decision.
            Refused: the platform refuses it (over the bus it is not waited for).
        """
        answer = _message(
            RequirementResolve, "an answer", run_id=run_id, tenant_id=self.tenant_id,
            requirement_id=requirement_id, decision=decision, digest=digest,
            arguments=_plain(arguments), result=result, note=note, by=by,
        )  # fmt: skip
        await self.transport.send(answer)

    async def cancel(
        self, run_id: str, *, reason: str | None = None, by: str | None = None
    ) -> None:
        """Cancel a run, also one that is not known yet."""
        told = {"run_id": run_id, "tenant_id": self.tenant_id, "reason": reason, "by": by}
        await self.transport.send(_message(RunCancel, "a cancel", **told))


def _message(kind: type[M], what: str, **fields: Any) -> M:
    """A message to the platform.

    Raises:
        BadCall: a field is unknown or of a wrong type; the message names it.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadCall(f"{what}: {where}: {first['msg']}.") from None


def _plain(given: Any) -> Any:
    return dict(given) if isinstance(given, Mapping) else given  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _may_wait(task: TaskSubmit) -> None:
    """A session's turns wait for each other: inside a tool, its own run's next turn would wait for
    the tool, and the tool for it."""
    calling = CALLING.get()
    if calling is None or task.session_id != calling.session_id:
        return
    if (task.tenant_id or "default") == calling.tenant_id:
        raise BadCall(
            f"session {calling.session_id!r} waits for run {calling.run_id!r}, which waits for this"
            " tool; run it in another session."
        )


def _transport(
    kafka: str | None, http: str | None, token: str | None, tenant_id: str | None,
    platform: "Platform | None",
) -> Transport:  # fmt: skip
    if http is not None:
        from actalog.client.http import HttpTransport

        if not addresses.is_http(given_calls.text("http", http)):
            raise BadCall(f"http: {addresses.HTTP_WANTED}.")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise BadCall("token: it cannot be sent in a header.")
        return HttpTransport(http, token=token, tenant_id=tenant_id)
    if kafka is not None and not addresses.are_brokers(given_calls.text("kafka", kafka)):
        raise BadCall(f"kafka: {addresses.BROKERS_WANTED}.")
    from actalog.client.bus import BusTransport
    from actalog.client.buses import kafka_bus, same_bus

    if platform is not None:
        from actalog.platform import Platform

        given_calls.of_kind("platform", platform, Platform)
        return BusTransport(same_bus(platform), prefix=platform.on.settings.topic_prefix)
    bus, prefix = kafka_bus(kafka)
    return BusTransport(bus, prefix=prefix)
