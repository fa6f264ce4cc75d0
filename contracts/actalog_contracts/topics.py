"""One table of all topics. Topics are created from it, never by auto-creation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from actalog_contracts import calls, streams, tasks
from actalog_contracts.base import FromOutside, Message

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Key = Literal["session", "run", "call", "log"]


@dataclass(frozen=True)
class Topic:
    """`partitions` is relative to the setting: "homes" topics have equal counts (design 3)."""

    name: str
    messages: tuple[type[Message] | type[FromOutside], ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: Key
    retention_ms: int  # -1: for ever
    partitions: Literal["homes", "one"] = "homes"
    dead_letters: bool = False
    description: str = ""


_OUTSIDE = (
    tasks.TaskSubmit, tasks.RunCancel, tasks.RunContinue, tasks.RunFork,
    tasks.RequirementResolve, tasks.KnowledgeIngest, tasks.WorkflowSignal,
)  # fmt: skip

TASKS = Topic(
    "tasks", _OUTSIDE, ("other systems", "gateway"), ("conductor",), "session", DAY_MS,
    dead_letters=True, description="Tasks and controls from other systems.",
)  # fmt: skip
RESULTS = Topic(
    "results", (tasks.RunResult, tasks.MessageRefused), ("conductor",), ("other systems",),
    "session", 7 * DAY_MS, description="One result for every run that a task started.",
)  # fmt: skip
EVENTS = Topic(
    "events", (tasks.PublishedEvent,), ("conductor",), ("gateway", "other systems"), "session",
    7 * DAY_MS, description="The audit feed: every event of the log, in order per run.",
)  # fmt: skip
STREAM = Topic(
    "stream", (streams.Delta, streams.Progress), ("llm", "tools"), ("gateway",), "session",
    HOUR_MS, description="Ephemeral deltas; may be lost, never needed for truth.",
)  # fmt: skip
REPLIES = Topic(
    "replies",
    (calls.CallAnswered, calls.CallStored, calls.TurnFree, calls.TimePassed, calls.CallBuried),
    ("guardrails", "context", "llm", "tools", "memory", "conductor"), ("conductor",), "session",
    DAY_MS, dead_letters=True, description="Answers of the services.",
)  # fmt: skip
GUARDRAILS = Topic(
    "guardrails.commands", (calls.CheckText,), ("conductor",), ("guardrails",), "run", DAY_MS,
    dead_letters=True, description="Texts to check.",
)  # fmt: skip
CONTEXT = Topic(
    "context.commands", (calls.GatherContext,), ("conductor",), ("context",), "run", DAY_MS,
    dead_letters=True, description="Contexts to gather.",
)  # fmt: skip
LLM = Topic(
    "llm.commands", (calls.CallModel,), ("conductor",), ("llm",), "run", DAY_MS,
    dead_letters=True, description="Models to call.",
)  # fmt: skip
TOOLS = Topic(
    "tools.commands", (calls.RunTool,), ("conductor",), ("tools",), "call", DAY_MS,
    dead_letters=True, description="Callables to run.",
)  # fmt: skip
MEMORY = Topic(
    "memory.commands", (calls.Remember,), ("conductor",), ("memory",), "run", DAY_MS,
    dead_letters=True, description="Runs to remember.",
)  # fmt: skip

TOPICS = (
    TASKS, RESULTS, EVENTS, STREAM, REPLIES, GUARDRAILS, CONTEXT, LLM, TOOLS, MEMORY,
)  # fmt: skip

COMMAND_TOPICS: Mapping[type[calls.Command], Topic] = {
    calls.CheckText: GUARDRAILS,
    calls.GatherContext: CONTEXT,
    calls.CallModel: LLM,
    calls.RunTool: TOOLS,
    calls.Remember: MEMORY,
}

DLQ_SUFFIX = ".dlq"
CHECKPOINTS = "checkpoints"


def full_name(topic: Topic, prefix: str = "actalog") -> str:
    """The topic's name on the broker, e.g. `actalog.tasks`."""
    return f"{prefix}.{topic.name}"


def own_names(prefix: str = "actalog") -> set[str]:
    """All topics that the platform writes to; a task may name another one for its results."""
    names = {full_name(one, prefix) for one in TOPICS}
    return names | {name + DLQ_SUFFIX for name in names} | {f"{prefix}.{CHECKPOINTS}"}


def dlq_name(topic: Topic, prefix: str = "actalog") -> str:
    """Where this topic's dead letters go."""
    return full_name(topic, prefix) + DLQ_SUFFIX
