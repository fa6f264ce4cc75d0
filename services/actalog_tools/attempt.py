"""One attempt of one call: what the claim and the author's declaration say, and what came of it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from actalog_contracts.calls import RunTool
from actalog_contracts.runs import StateOp, ToolFailed, ToolInDoubt, ToolReturned
from actalog_core import metrics, tracing
from actalog_core.calling import CALLING, Calling
from actalog_core.clock import parse_time
from actalog_log.ports import Claim
from actalog_tools.functions import ArgumentsRefused, FunctionSpec, bind
from actalog_tools.reconciling import Unsettled, asking, understood
from actalog_tools.results import limited, told, where
from actalog_tools.run_context import Special
from actalog_tools.running import Cancel, Ran, Runner

Outcome = ToolReturned | ToolFailed | ToolInDoubt

log = structlog.get_logger()

AGAIN = ("read_only", "idempotent")
MOST_STATE = 200_000  # code points of state operations in one reply


@dataclass(frozen=True)
class Tool:
    """A callable of the App, and how it is called."""

    function: Callable[..., Any]
    spec: FunctionSpec


@dataclass
class Attempt:
    """`special` is what the callable asked for by name."""

    command: RunTool
    tool: Tool
    special: Special
    runner: Runner
    cancel: Cancel

    async def outcome(self, claim: Claim, now: datetime) -> Outcome:
        """Run it, unless an earlier attempt may have acted. Raises nothing of the author's."""
        try:
            kwargs = bind(self.tool.spec, self.command.arguments, self.special.values)
        except ArgumentsRefused as error:
            return self._failed(claim, "arguments", str(error))
        if doubtful(self.command, claim):
            return await self._doubtful(claim, kwargs, now)
        return await self._run(claim, self.tool.function, kwargs, now)

    async def _doubtful(self, claim: Claim, kwargs: dict[str, Any], now: datetime) -> Outcome:
        """Nobody knows whether it has acted; its `reconciler`, where it has one, may."""
        reconciler = getattr(self.tool.function, "reconciler", None)
        if not callable(reconciler):
            return in_doubt(
                self.command, claim, "whoever ran it was gone before it told the outcome"
            )
        known = {**kwargs, **self.special.values}
        ran = await self._timed(asking(reconciler), _asked_for(reconciler, known), now)
        if ran.how != "returned":
            said = (
                f"its reconciler could not tell: {ran.how} {told(ran.error) if ran.error else ''}"
            )
            return in_doubt(self.command, claim, said.strip())
        match understood(ran.text):
            case Unsettled.NOT_DONE:
                return await self._run(claim, self.tool.function, kwargs, now)
            case Unsettled.UNKNOWN:
                return in_doubt(self.command, claim, "its reconciler does not know")
            case content:
                return self._returned(claim, Ran("returned", text=content), 0)

    async def _run(
        self, claim: Claim, function: Callable[..., Any], kwargs: dict[str, Any], now: datetime
    ) -> Outcome:
        began, command = self.runner.monotonic(), self.command
        about: dict[str, tracing.Attribute] = {
            tracing.OPERATION: tracing.EXECUTE_TOOL, tracing.TOOL_NAME: command.name,
            tracing.TOOL_TYPE: "function", tracing.TOOL_CALL_ID: command.call_id,
            tracing.CONVERSATION: command.session_id, tracing.RUN: command.run_id,
        }  # fmt: skip
        calling = CALLING.set(Calling(command.tenant_id, command.run_id, command.session_id))
        with tracing.span(f"{tracing.EXECUTE_TOOL} {command.name}", about) as span:
            try:
                ran = await self._timed(function, kwargs, now)
            finally:
                CALLING.reset(calling)
            if ran.how != "returned":
                tracing.failed(span, type(ran.error).__name__ if ran.error else ran.how)
        took_s = self.runner.monotonic() - began
        metrics.TOOL_SECONDS.observe(took_s)
        return self._came(claim, ran, round(took_s * 1000))

    async def _timed(
        self, function: Callable[..., Any], kwargs: dict[str, Any], now: datetime
    ) -> Ran:
        """Until the tool's deadline or the run's, whichever comes first."""
        left_s = (parse_time(self.command.deadline) - now).total_seconds()
        timeout_s = min(self.command.timeout_ms / 1000, left_s)
        if timeout_s <= 0:
            return Ran("late")
        return await self.runner.run(
            function, kwargs, timeout_s=timeout_s, limit=self.command.output_limit,
            cancel=self.cancel,
        )  # fmt: skip

    def _came(self, claim: Claim, ran: Ran, took_ms: int) -> Outcome:
        match ran.how:
            case "returned":
                return self._returned(claim, ran, took_ms)
            case "raised":
                assert ran.error is not None
                log.info(
                    "a tool raised", tool=self.command.name, error=type(ran.error).__name__,
                    at=where(ran.error),
                )  # fmt: skip
                return self._failed(claim, "raised", told(ran.error), took_ms)
            case "timeout":
                said = (
                    f"{self.command.name} did not end within its {self.command.timeout_ms} ms"
                    " or the run's deadline; it may have acted."
                )
                return self._failed(claim, "timeout", said, took_ms)
            case "late":
                said = f"{self.command.name} was not begun: the run's deadline has passed."
                return self._failed(claim, "timeout", said, took_ms)
            case "cancelled":
                said = f"{self.command.name} was cancelled because its run has ended."
                return self._failed(claim, "cancelled", said, took_ms)

    def _returned(self, claim: Claim, ran: Ran, took_ms: int) -> Outcome:
        try:
            ops = self.special.changed()
        except TypeError as error:
            return self._failed(claim, "raised", f"It has run, but {told(error)}", took_ms)
        if _size(ops) > MOST_STATE:
            said = "It has run, but it put more into the session's state than a message carries."
            return self._failed(claim, "limit", said, took_ms)
        content, truncated = limited(ran.text, self.command.output_limit)
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


def _size(ops: tuple[StateOp, ...]) -> int:
    return sum(len(op.key) + len(op.value or "") for op in ops)


def _asked_for(function: Callable[..., Any], known: dict[str, Any]) -> dict[str, Any]:
    """Of what is known, what the reconciler has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return known
    return {name: value for name, value in known.items() if name in parameters}
