"""Runs whose logs are kept for ever: together they hold every event that was ever written."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actalog_contracts.base import Usage
from actalog_contracts.calls import (
    CallModel,
    CheckText,
    Command,
    Outcome,
    Remember,
    RunTool,
    answer,
)  # fmt: skip
from actalog_contracts.definitions import AgentDefinition, Limits
from actalog_contracts.runs import (
    ModelFailed,
    RememberFailed,
    StateOp,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)
from actalog_llm.prompt.cache import PromptCache
from tests.integration.conductor.test_held_text import REVIEWED
from tests.integration.conductor.test_memory_runs import LEARNS
from tests.integration.conductor.world import World
from tests.unit.actalog_conductor.spec import CHECKED, GATHERS, PLAIN

DISCREET = LEARNS.model_copy(update={"output_checks": REVIEWED.output_checks})
Play = Callable[[World], Awaitable[None]]


@dataclass
class Scripted(World):
    """`instead`: outcomes of calls, by call id. `forgets`: remembering fails. `blocks`: what a
    model says for this purpose is blocked, and nothing else."""

    instead: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    forgets: bool = False
    blocks: str | None = None

    async def outcome(self, command: Command) -> Outcome:
        if self.blocks is not None and isinstance(command, CheckText):
            self.verdict = "blocked" if command.purpose == self.blocks else "passed"
        if self.forgets and isinstance(command, Remember) and command.continuation is not None:
            return RememberFailed(call_id=command.call_id, message="no sense in it")
        if isinstance(command, CallModel) and command.call_id not in self.instead:
            prompt = await PromptCache(self.log).prompt(command)
            reply = await self.think(command)
            return reply.model_copy(update={"prompt": prompt.record})
        return self.instead.get(command.call_id) or await super().outcome(command)


@dataclass(frozen=True)
class Scenario:
    """One run (and its child). `set`: attributes of the world."""

    definition: AgentDefinition = PLAIN
    set: Mapping[str, Any] = field(default_factory=dict[str, Any])
    task: Mapping[str, Any] = field(default_factory=dict[str, Any])
    play: Play | None = None


async def _resolve(world: World, decision: str, **more: Any) -> None:
    await world.bus.drained()
    (paused,) = await world.results()
    (required,) = paused["requirements"]
    await world.send(
        type="requirement.resolve.v1", run_id="r", requirement_id=required["id"],
        decision=decision, digest=required["tool_call"]["digest"], by="ann", **more,
    )  # fmt: skip


async def _approved(world: World) -> None:
    await _resolve(world, "approve")


async def _rejected(world: World) -> None:
    await _resolve(world, "reject", note="too much")


async def _done(world: World) -> None:
    await _resolve(world, "done", result="refunded 4 EUR")


async def _not_done(world: World) -> None:
    await world.bus.drained()
    assert isinstance(world, Scripted)
    acted = ToolReturned(call_id="r:t1.0", epoch=3, content="refunded")
    world.instead["r:t1.0"] = acted  # asked again, it acts
    await _resolve(world, "not_done")


async def _cancelled(world: World) -> None:
    await world.bus.drained()
    await world.send(type="run.cancel.v1", run_id="r", reason="changed my mind", by="ann")


async def _too_late(world: World) -> None:
    """A tool answers after the run was cancelled: its outcome is recorded with its cost."""
    await _cancelled(world)
    await world.bus.drained()
    for command in [one for one in world.asked if isinstance(one, RunTool)]:
        await world.postman.reply(answer(command, await world.outcome(command)))


async def _deadline(world: World) -> None:
    await world.look(ahead_s=3_600)


async def _second_turn(world: World) -> None:
    """A second run waits for the first of its session."""
    await world.task("second", session_id="s")


MODEL_FAILED = ModelFailed(
    call_id="r:m1", epoch=1, kind="rate_limited", message="slow down",
    usage=Usage(input_tokens=3, total_tokens=3, model_calls=1),
)  # fmt: skip
TOOL_FAILED = ToolFailed(call_id="r:t1.0", kind="raised", message="no such order")
IN_DOUBT = ToolInDoubt(call_id="r:t1.0", epoch=2, message="its worker died")
OPS = (StateOp(op="set", key="cart", value='"tea"'),)

SCENARIOS: Mapping[str, Scenario] = {
    "answered": Scenario(task={"metadata": {"shop": 1}, "correlation_id": "c"}),
    "tools": Scenario(set={"script": {1: ["lookup", "lookup"]}, "ops": OPS}),
    "history": Scenario(definition=GATHERS, task={"session_id": "s", "user_id": "ann"}),
    "approved": Scenario(set={"script": {1: ["refund"]}}, play=_approved),
    "rejected": Scenario(set={"script": {1: ["refund"]}}, play=_rejected),
    "input-masked": Scenario(definition=CHECKED, set={"verdict": "masked"}),
    "input-blocked": Scenario(definition=CHECKED, set={"verdict": "blocked"}),
    "output-masked": Scenario(
        definition=REVIEWED, set={"verdict": "masked", "script": {1: ["lookup"]}}
    ),
    "output-blocked": Scenario(definition=REVIEWED, set={"verdict": "blocked"}),
    "model-failed": Scenario(set={"instead": {"r:m1": MODEL_FAILED}}),
    "tool-failed": Scenario(set={"script": {1: ["lookup"]}, "instead": {"r:t1.0": TOOL_FAILED}}),
    "tool-in-doubt": Scenario(set={"script": {1: ["lookup"]}, "instead": {"r:t1.0": IN_DOUBT}}),
    "doubt-settled-by-a-person": Scenario(
        set={"script": {1: ["lookup"]}, "instead": {"r:t1.0": IN_DOUBT}}, play=_done
    ),
    "doubt-not-acted": Scenario(
        set={"script": {1: ["lookup"]}, "instead": {"r:t1.0": IN_DOUBT}}, play=_not_done
    ),
    "turns-used-up": Scenario(
        definition=PLAIN.model_copy(update={"limits": Limits(turns=1)}),
        set={"script": {1: ["lookup"]}},
    ),
    "waited": Scenario(task={"session_id": "s"}, play=_second_turn),
    "cancelled": Scenario(set={"deaf": {"llm"}}, play=_cancelled),
    "outcome-too-late": Scenario(
        set={"script": {1: ["lookup"]}, "deaf": {"tools"}}, play=_too_late
    ),
    "deadline": Scenario(set={"deaf": {"llm"}}, play=_deadline),
    "remembered": Scenario(definition=LEARNS, task={"user_id": "ann"}),
    "not-remembered": Scenario(definition=LEARNS, task={"user_id": "ann"}, set={"forgets": True}),
    "memories-masked": Scenario(
        definition=DISCREET, set={"verdict": "masked"}, task={"user_id": "ann"}
    ),
    "memories-blocked": Scenario(
        definition=DISCREET, set={"blocks": "memories"}, task={"user_id": "ann"}
    ),
}
