"""One method per message."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from pydantic import ValidationError

from actalog_bus.envelope import Postman
from actalog_bus.ports import Delivery
from actalog_calls.answering import answer_claimed
from actalog_calls.claims import Claims
from actalog_calls.since import Since
from actalog_contracts.calls import RunTool
from actalog_contracts.runs import ToolFailed
from actalog_contracts.streams import Progress
from actalog_core.clock import Clock
from actalog_core.errors import Transient
from actalog_core.misfits import misfit
from actalog_log.call_ports import Claim
from actalog_log.ports import RunLog
from actalog_tools.attempt import AGAIN, Attempt, Outcome, Tool, doubtful, in_doubt
from actalog_tools.isolated.pool import Isolated
from actalog_tools.run_context import special
from actalog_tools.running import Cancel, Runner

log = structlog.get_logger()
BESIDE = "read_only"  # what only reads claims beside its work (protocol 6.3)


@dataclass
class ToolHandlers:
    """Hears what is to be run. `tools` is the author's App, by path."""

    tools: Mapping[str, Tool]
    log: RunLog
    claims: Claims
    postman: Postman
    runner: Runner
    isolated: Isolated
    clock: Clock
    saying: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def __post_init__(self) -> None:
        self.since = Since(self.clock)

    async def run_tool(self, delivery: Delivery) -> None:
        """Run a callable once, and answer. What only reads claims beside its work."""
        try:
            command = RunTool.model_validate_json(delivery.record.value or b"")
        except ValidationError as error:
            raise misfit("tool.run", error) from None
        tool = self.tools.get(command.path)
        # Read before the claim: a log that is away must not put the call in doubt.
        wanted = tool.spec.special if tool else frozenset[str]()
        given = await special(command, wanted, self.log)

        async def run(claim: Claim) -> Outcome:
            if tool is None:
                return _missing(command, claim)
            cancel = Cancel()
            if command.effect not in AGAIN:
                cancel.ours = lambda: self.claims.surely_ours(claim.call_id)
            self.claims.on_ended(claim.call_id, cancel)
            self._say(command, claim)
            attempt = Attempt(
                command, tool, given, self.runner, self.isolated, cancel, self.clock(),
                self.claims.still_ours,
            )  # fmt: skip
            return await attempt.outcome(claim)

        await answer_claimed(
            delivery, command, claims=self.claims, postman=self.postman, run=run,
            beside=command.effect == BESIDE, condemned=lambda claim: _condemned(command, claim),
            heard_before=self.since.heard_before(delivery.record),
        )  # fmt: skip

    def _say(self, command: RunTool, claim: Claim) -> None:
        task = asyncio.create_task(self._progress(command, claim))
        self.saying.add(task)
        task.add_done_callback(self.saying.discard)

    async def _progress(self, command: RunTool, claim: Claim) -> None:
        """Tell people that it runs, once the claim stands. Nobody depends on it."""
        with contextlib.suppress(Transient):
            if command.effect == BESIDE:
                claim = await self.claims.stands(claim.call_id)
            said = Progress(
                tenant_id=command.tenant_id, run_id=command.run_id,
                session_id=command.session_id, call_id=command.call_id, epoch=claim.epoch,
                what="tool", detail=command.name,
            )  # fmt: skip
            await self.postman.stream(said)


def _condemned(command: RunTool, claim: Claim) -> Outcome:
    """It is not run again. What only reads has failed; of all else a person has to find out."""
    said = f"{claim.deaths} workers died while they ran {command.name}; it is not run again"
    if command.effect == BESIDE:
        return ToolFailed(call_id=command.call_id, epoch=claim.epoch, kind="internal", message=said)
    return in_doubt(command, claim, said)


def _missing(command: RunTool, claim: Claim) -> Outcome:
    """The definition that the run has pinned names a callable that this App does not have."""
    said = (
        f"The tool {command.name} is not in the App that runs here (path {command.path!r})."
        " `actalog deploy` with the App that has it mends this."
    )
    log.error("a tool is not in the App here", path=command.path, run_id=command.run_id)
    if doubtful(command, claim):
        return in_doubt(command, claim, said)
    return ToolFailed(call_id=command.call_id, epoch=claim.epoch, kind="internal", message=said)
