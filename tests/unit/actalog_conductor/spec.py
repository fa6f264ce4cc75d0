"""given / when / then for a decider, and the pieces its tests are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from actalog_conductor import agent_run
from actalog_conductor.agent_states import Identity, State
from actalog_conductor.heard import Heard, StartRun
from actalog_contracts.base import TextRef, ToolCall, Usage
from actalog_contracts.definitions import (
    AgentDefinition,
    Limits,
    ModelChoice,
    PiiCheck,
    ToolDefinition,
)  # fmt: skip
from actalog_contracts.runs import (
    InputChecked,
    ModelFailed,
    ModelReplied,
    PromptRecord,
    RunAccepted,
    RunEvent,
    ToolReturned,
)  # fmt: skip

RUN = Identity(tenant_id="default", run_no=1, run_id="r", session_id="s", turn=1)
LOOKUP = ToolDefinition(name="lookup", parameters="{}", path="agent:a/tools/lookup")
REFUND = LOOKUP.model_copy(update={"name": "refund", "requires_confirmation": True})
PLAIN = AgentDefinition(
    id="a", name="a", model=ModelChoice(provider="openai", id="m"), tools=(LOOKUP, REFUND),
    limits=Limits(turns=3, tool_calls=5),
)  # fmt: skip
CHECKED = PLAIN.model_copy(update={"input_checks": (PiiCheck(),)})
REVIEWED = PLAIN.model_copy(update={"output_checks": (PiiCheck(action="block"),)})
GATHERS = PLAIN.model_copy(update={"history_runs": 3})
ACCEPTED = RunAccepted(
    kind="agent", target="agent:a", definition="sha256:1", input="hello", body_digest="hmac:1",
    accepted_at="2026-11-24T16:00:00.000000Z", deadline="2026-11-24T16:10:00.000000Z",
)  # fmt: skip
START = StartRun(ACCEPTED, free=True)
PROMPT = PromptRecord(digest="sha256:p", renderer="1", parts=())


def replied(
    turn: int = 1, text: str | None = "", calls: Sequence[tuple[str, str]] = (), **more: Any
) -> ModelReplied:
    asked = tuple(
        ToolCall(id="", provider_id="same", name=name, arguments=arguments)
        for name, arguments in calls
    )
    return ModelReplied(
        call_id=f"r:m{turn}", epoch=1, text=text, tool_calls=asked, finish="stop", model="m",
        provider="openai", usage=Usage(model_calls=1, total_tokens=10), prompt=PROMPT, **more,
    )  # fmt: skip


def held(turn: int = 1, **more: Any) -> ModelReplied:
    return replied(turn, None, held_text=TextRef(held="h", digest="hmac:h"), **more)


def failed(turn: int = 1) -> ModelFailed:
    return ModelFailed(call_id=f"r:m{turn}", epoch=1, kind="timeout", message="no token came")


def returned(turn: int = 1, at: int = 0) -> ToolReturned:
    return ToolReturned(call_id=f"r:t{turn}.{at}", content="done")


def checked(verdict: Any = "passed", *reasons: str) -> InputChecked:
    return InputChecked(call_id="r:ci", verdict=verdict, text="hello", reasons=reasons)


def hear(state: State, message: Heard) -> tuple[State, Sequence[RunEvent]]:
    events = agent_run.decide(state, message)
    return reduce(agent_run.evolve, events, state), events


@dataclass(frozen=True)
class Spec:
    """`Spec(definition).given(messages).when(message).then(types)`."""

    definition: AgentDefinition = PLAIN
    state: State | None = None
    events: Sequence[RunEvent] = ()

    @property
    def now(self) -> State:
        return self.state or agent_run.initial(RUN, self.definition)

    def given(self, *messages: Heard) -> "Spec":
        state = self.now
        for message in messages:
            state, _ = hear(state, message)
        return replace(self, state=state)

    def when(self, message: Heard) -> "Spec":
        state, events = hear(self.now, message)
        return replace(self, state=state, events=events)

    def then(self, *types: str) -> "Spec":
        assert [event.type.rsplit(".", 1)[0] for event in self.events] == list(types)
        return self

    def then_nothing(self) -> "Spec":
        return self.then()

    def asks(self, *types: str) -> "Spec":
        commands = [due.command for due in agent_run.due(self.now)]
        said = [getattr(one, "type", type(one).__name__.lower()) for one in commands]
        assert said == list(types)
        return self
