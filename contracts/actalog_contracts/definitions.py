"""What an App contains, as values: registered under a content hash, pinned by each run."""

from typing import Annotated, Literal

from pydantic import Field

from actalog_contracts.base import Count, Digest, Message, Value


class ModelChoice(Value):
    """Which model: provider, its model id, where it is, and its parameters as JSON text."""

    provider: str
    id: str
    base_url: str | None = None
    params: str = "{}"
    connect_timeout_ms: Count = 5_000
    first_token_timeout_ms: Count = 60_000
    between_tokens_timeout_ms: Count = 30_000
    max_attempts: Count = 4


class ToolDefinition(Value):
    """A tool as the model sees it and as the platform treats it.

    `path` addresses the callable in the App. `effect` is what the author declares (protocol 6.2).
    """

    name: str
    description: str = ""
    parameters: str  # JSON Schema, as text
    path: str
    fingerprint: str = ""
    effect: Literal["read_only", "idempotent", "reconciled", "once"] = "once"
    requires_confirmation: bool = False
    timeout_ms: Count = 60_000
    output_limit: Count = 262_144  # code points given to the model
    wants_key: bool = False


class PiiCheck(Value):
    type: Literal["pii"] = "pii"
    action: Literal["mask", "block"] = "mask"
    entities: tuple[str, ...] = ("card", "iban", "email", "phone", "ssn", "ip")


class InjectionCheck(Value):
    type: Literal["prompt_injection"] = "prompt_injection"
    extra_patterns: tuple[str, ...] = ()


class LengthCheck(Value):
    type: Literal["length"] = "length"
    max_chars: Count


class FormatCheck(Value):
    type: Literal["format"] = "format"
    json_schema: str  # JSON Schema, as text


Check = Annotated[
    PiiCheck | InjectionCheck | LengthCheck | FormatCheck, Field(discriminator="type")
]


class Limits(Value):
    """What every run has. The deadline is wall-clock time from acceptance."""

    turns: Count = 25
    tool_calls: Count = 200
    deadline_ms: Count = 600_000


class AgentDefinition(Message):
    """An agent. Stages it does not ask for cost no hop."""

    type: Literal["agent.v1"] = "agent.v1"
    id: str
    name: str
    model: ModelChoice
    instructions: tuple[str, ...] = ()
    description: str = ""
    expected_output: str = ""
    tools: tuple[ToolDefinition, ...] = ()
    input_checks: tuple[Check, ...] = ()
    output_checks: tuple[Check, ...] = ()
    history_runs: Count = 0  # how many earlier runs of the session the model sees
    memories: bool = False  # the user's memories are put in front of the model
    learn: bool = False  # remember after each run
    summary: bool = False  # keep a session summary and show it
    show_state: bool = False
    session_state: str = "{}"  # initial state, JSON text
    output_schema: str | None = None
    limits: Limits = Limits()
    overlap: bool = False  # runs of a session may run side by side (protocol 3.2)


Definition = AgentDefinition


class Registered(Value):
    """A definition with its content hash."""

    digest: Digest
    definition: Definition
