"""One attempt of one call: what the claim and the author's declaration say, and what came of it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from actalog_contracts.calls import RunTool
from actalog_contracts.runs import ToolFailed, ToolInDoubt, ToolReturned
from actalog_core import metrics, tracing
from actalog_core.calling import CALLING, Calling
from actalog_core.clock import parse_time
from actalog_log.call_ports import Claim
from actalog_tools.functions import ArgumentsRefused, FunctionSpec, bind
from actalog_tools.isolated.addresses import Address
from actalog_tools.isolated.asked import Ask
from actalog_tools.isolated.pool import Isolated
from actalog_tools.reconciling import Unsettled, asking, understood
from actalog_tools.results import limited, name_of, told, where
from actalog_tools.run_context import Special, StateTooLarge
from actalog_tools.running import Cancel, Ran, Runner

Outcome = ToolReturned | ToolFailed | ToolInDoubt

log = structlog.get_logger()

AGAIN = ("read_only", "idempotent")
DEATHS = 3  # of a call's own process; the call is not run again after so many


@dataclass(frozen=True)
class Tool:
    """A callable of the App, and how it is called; `apart`, where it has a process of its own."""

    function: Callable[..., Any]
    spec: FunctionSpec
    apart: Address | None = None
    memory_mb: int = 0


@dataclass
class Attempt:
    """`special` is what the callable asked for by name; `now` when the attempt began. `still_ours`
    finds out whether the call is, after this process stood still."""

    command: RunTool
    tool: Tool
    special: Special
    runner: Runner
    isolated: Isolated
    cancel: Cancel
    now: datetime
    still_ours: Callable[[str], Awaitable[bool]]
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.runner.monotonic()

    async def outcome(self, claim: Claim) -> Outcome:
        """Run it, unless an earlier attempt may have acted. Raises nothing of the author's."""
        self.special = self.special.fenced(claim.epoch)
        try:
            kwargs = bind(self.tool.spec, self.command.arguments, self.special.values)
        except ArgumentsRefused as error:
            return self._failed(claim, "arguments", str(error))
        if doubtful(self.command, claim):
            why = "whoever ran it was gone before it told the outcome"
            if (known := await self._known(claim, kwargs, why)) is not None:
                return known
        why = ""
        for _ in range(DEATHS):
            ran, took_ms = await self._observed(kwargs)
            while ran.how == "lost" and await self.still_ours(claim.call_id):
                ran, took_ms = await self._observed(kwargs)
            if ran.how == "cancelled" and ran.begun:
                return await self._cancelled(claim, kwargs, took_ms)
            if ran.how != "died":
                return self._came(claim, ran, took_ms)
            why = f"{ran.died} before it told the outcome"
            log.warning("an isolated tool died", tool=self.command.name, how=ran.died)
            unsure = ran.begun and self.command.effect not in AGAIN
            if unsure and (known := await self._known(claim, kwargs, why)) is not None:
                return known
        said = f"{self.command.name} was run {DEATHS} times; {why}."
        return self._failed(claim, "internal", said)

    async def _known(self, claim: Claim, kwargs: dict[str, Any], why: str) -> Outcome | None:
        """What is known of a call that may have acted: its `reconciler`, where it has one, is
        asked. None: it has not acted."""
        reconciler = getattr(self.tool.function, "reconciler", None)
        if not callable(reconciler):
            return in_doubt(self.command, claim, why)
        known = {**kwargs, **self.special.values}
        # Asking only reads: also when the run has ended meanwhile.
        ran = await self._timed(asking(reconciler), _asked_for(reconciler, known), Cancel())
        if ran.how != "returned":
            said = f"{ran.how} {told(ran.error) if ran.error else ''}".strip()
            return in_doubt(self.command, claim, f"{why}; its reconciler could not tell: {said}")
        match understood(ran.text):
            case Unsettled.NOT_DONE:
                return None
            case Unsettled.UNKNOWN:
                return in_doubt(self.command, claim, f"{why}; its reconciler does not know")
            case content:
                return self._returned(claim, Ran("returned", text=content), 0)

    async def _cancelled(self, claim: Claim, kwargs: dict[str, Any], took_ms: int) -> Outcome:
        """In the middle of its work: what it has done until then stays done."""
        why = "it was cancelled in the middle, because its run had ended"
        match self.command.effect:
            case "read_only":
                said = f"{self.command.name}: {why}."
            case "idempotent":
                said = f"{self.command.name}: {why}; it may have acted."
            case _:
                if (known := await self._known(claim, kwargs, why)) is not None:
                    return known
                said = f"{self.command.name}: {why}; its reconciler says that it has not acted."
        return self._failed(claim, "cancelled", said, took_ms)

    async def _observed(self, kwargs: dict[str, Any]) -> tuple[Ran, int]:
        """Run it once: what came of it, and how long that took in milliseconds."""
        began, command = self.runner.monotonic(), self.command
        about: dict[str, tracing.Attribute] = {
            tracing.OPERATION: tracing.EXECUTE_TOOL, tracing.TOOL_NAME: command.name,
            tracing.TOOL_TYPE: "function", tracing.TOOL_CALL_ID: command.call_id,
            tracing.CONVERSATION: command.session_id, tracing.RUN: command.run_id,
        }  # fmt: skip
        calling = CALLING.set(Calling(command.tenant_id, command.run_id, command.session_id))
        with tracing.span(f"{tracing.EXECUTE_TOOL} {command.name}", about) as span:
            try:
                ran = await self._timed(self.tool.function, kwargs, self.cancel, self.tool.apart)
            finally:
                CALLING.reset(calling)
            if ran.how != "returned":
                tracing.failed(span, name_of(ran.error) if ran.error else ran.how)
        took_s = self.runner.monotonic() - began
        metrics.TOOL_SECONDS.observe(took_s)
        return ran, round(took_s * 1000)

    async def _timed(
        self, function: Callable[..., Any], kwargs: dict[str, Any], cancel: Cancel,
        apart: Address | None = None,
    ) -> Ran:  # fmt: skip
        """Until the tool's deadline or the run's, whichever comes first."""
        gone_s = self.runner.monotonic() - self.began
        left_s = (parse_time(self.command.deadline) - self.now).total_seconds() - gone_s
        timeout_s, limit = min(self.command.timeout_ms / 1000, left_s), self.command.output_limit
        if timeout_s <= 0:
            return Ran("late")
        if apart is None:
            return await self.runner.run(
                function, kwargs, timeout_s=timeout_s, limit=limit, cancel=cancel
            )
        ask = Ask(apart, self.command.arguments, self.special, limit, self.tool.memory_mb)
        return await self.isolated.run(ask, timeout_s=timeout_s, cancel=cancel)

    def _came(self, claim: Claim, ran: Ran, took_ms: int) -> Outcome:
        match ran.how:
            case "returned":
                return self._returned(claim, ran, took_ms)
            case "raised":
                assert ran.error is not None
                log.info(
                    "a tool raised", tool=self.command.name, error=name_of(ran.error),
                    at=where(ran.error),
                )  # fmt: skip
                return self._failed(claim, ran.kind, told(ran.error), took_ms)
            case "timeout":
                said = (
                    f"{self.command.name} did not end within its {self.command.timeout_ms} ms"
                    " or the run's deadline; it may have acted."
                )
                return self._failed(claim, "timeout", said, took_ms)
            case "late":
                said = f"{self.command.name} was not begun: the run's deadline has passed."
                return self._failed(claim, "timeout", said, took_ms)
            case "lost":
                said = (
                    f"{self.command.name} was not begun: its worker stood still and lost the call."
                )
                return self._failed(claim, "cancelled", said, took_ms)
            case _:
                said = f"{self.command.name} was not begun: its run has ended."
                return self._failed(claim, "cancelled", said, took_ms)

    def _returned(self, claim: Claim, ran: Ran, took_ms: int) -> Outcome:
        try:
            ops = self.special.changed() if ran.ops is None else ran.ops
        except TypeError as error:
            return self._failed(claim, "raised", f"It has run, but {told(error)}", took_ms)
        except StateTooLarge as error:
            return self._failed(claim, "limit", f"It has run, but {error}", took_ms)
        content, truncated = limited(ran.text, self.command.output_limit, ran.whole)
        return ToolReturned(
            call_id=self.command.call_id, epoch=claim.epoch, content=content, state_ops=ops,
            truncated=truncated, fingerprint=self.tool.spec.fingerprint, duration_ms=took_ms,
        )  # fmt: skip

    def _failed(self, claim: Claim, kind: Any, message: str, took_ms: int = 0) -> ToolFailed:
        return ToolFailed(
            call_id=self.command.call_id, epoch=claim.epoch, kind=kind, message=message,
            fingerprint=self.tool.spec.fingerprint, duration_ms=took_ms,
        )  # fmt: skip


def doubtful(command: RunTool, claim: Claim) -> bool:
    """Whether an earlier attempt may have acted, and must not be repeated."""
    return claim.state == "expired" and command.effect not in AGAIN


def in_doubt(command: RunTool, claim: Claim, message: str) -> ToolInDoubt:
    return ToolInDoubt(call_id=command.call_id, epoch=claim.epoch, message=message)


def _asked_for(function: Callable[..., Any], known: dict[str, Any]) -> dict[str, Any]:
    """Of what is known, what the reconciler has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return known
    return {name: value for name, value in known.items() if name in parameters}
