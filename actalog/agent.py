"""An agent, as an author writes it. Nothing is worked out before somebody asks for it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from actalog.parameters import missing, refuse, warn_moved
from actalog.run.runnable import Runnable, new_session
from actalog.unsupported import AGENT_METHODS_NOT_YET, AGENT_NOT_YET

if TYPE_CHECKING:
    from pydantic import BaseModel

    from actalog.guardrails import Guardrail
    from actalog.models.base import Model
    from actalog.tools.function import Function
    from actalog.tools.toolkit import Toolkit
    from actalog_contracts.definitions import AgentDefinition, Check

    Tools = Sequence[Function[..., Any] | Toolkit | Callable[..., Any]]
    Checks = Sequence[Guardrail | Check]


class Agent(Runnable):
    """A model with instructions and tools.

    Parameters have Agno's names where the thing is the same. `turn_limit` and `tool_call_limit`
    bound a run, `timeout` its wall-clock time in seconds; each ends it with a typed failure.
    `retries` is how often a failed model call is tried again. `user_id` and `session_id` are what
    `run` uses when it is not told others.
    """

    __slots__ = (
        "_id", "_sessions", "add_history_to_context", "add_memories_to_context",
        "add_session_state_to_context", "add_session_summary_to_context", "description",
        "enable_session_summaries", "expected_output", "input_checks", "instructions", "markdown",
        "model", "name", "num_history_runs", "output_checks", "output_schema", "overlap",
        "post_hooks", "pre_hooks", "retries", "session_id", "session_state", "timeout",
        "tool_call_limit", "tools", "turn_limit", "update_memory_on_run", "user_id",
    )  # fmt: skip

    def __new__(cls, *args: Any, **given: Any) -> Self:
        if not given.keys() <= PARAMETERS and cls is Agent:
            refuse("Agent", given, known=PARAMETERS, not_yet=AGENT_NOT_YET)
        return object.__new__(cls)

    def __init__(
        self,
        *,
        name: str | None = None, id: str | None = None, model: "Model | str | None" = None,
        instructions: str | Sequence[str] | None = None, description: str | None = None,
        expected_output: str | None = None, tools: "Tools | None" = None,
        user_id: str | None = None, session_id: str | None = None,
        session_state: Mapping[str, Any] | None = None,
        add_session_state_to_context: bool = False, add_history_to_context: bool = False,
        num_history_runs: int | None = None, update_memory_on_run: bool = False,
        enable_user_memories: bool | None = None, add_memories_to_context: bool | None = None,
        enable_session_summaries: bool = False, add_session_summary_to_context: bool | None = None,
        output_schema: "type[BaseModel] | Mapping[str, Any] | None" = None,
        pre_hooks: "Checks | None" = None, post_hooks: "Checks | None" = None,
        input_checks: "Checks | None" = None, output_checks: "Checks | None" = None,
        tool_call_limit: int | None = None, turn_limit: int | None = None,
        timeout: float | None = None, retries: int | None = None,
        markdown: bool = False, overlap: bool = False,
        db: object = None, telemetry: object = None, checkpoint: object = None,
    ) -> None:  # fmt: skip
        self.name = name
        self._id = id
        self._sessions: dict[str | None, str] | None = None
        self.model = model
        self.instructions = instructions
        self.description = description
        self.expected_output = expected_output
        self.tools = tools
        self.user_id = user_id
        self.session_id = session_id
        self.session_state = session_state
        self.add_session_state_to_context = add_session_state_to_context
        self.add_history_to_context = add_history_to_context
        self.num_history_runs = num_history_runs
        self.update_memory_on_run = update_memory_on_run or bool(enable_user_memories)
        self.add_memories_to_context = add_memories_to_context
        self.enable_session_summaries = enable_session_summaries
        self.add_session_summary_to_context = add_session_summary_to_context
        self.output_schema = output_schema
        self.pre_hooks = pre_hooks
        self.post_hooks = post_hooks
        self.input_checks = input_checks
        self.output_checks = output_checks
        self.tool_call_limit = tool_call_limit
        self.turn_limit = turn_limit
        self.timeout = timeout
        self.retries = retries
        self.markdown = markdown
        self.overlap = overlap
        if db is not None or telemetry is not None or checkpoint is not None:
            given = {"db": db, "telemetry": telemetry, "checkpoint": checkpoint}
            warn_moved("Agent", [name for name, value in given.items() if value is not None])

    if not TYPE_CHECKING:  # to a type checker every name would be right

        def __getattr__(self, name: str) -> Any:
            raise missing(self, name, not_yet=AGENT_METHODS_NOT_YET)

    @property
    def id(self) -> str:
        """The id given, or one made of the name."""
        return self._id or "-".join((self.name or "agent").lower().split())

    def session_for(self, user_id: str | None) -> str | None:
        """The session of runs that name none: `session_id`; for an agent that looks back at its
        session, one for each user; else None: each run stands alone."""
        looks_back = (
            self.add_history_to_context or self.enable_session_summaries
            or self.session_state is not None or self.add_session_state_to_context
        )  # fmt: skip
        if self.session_id is not None or not looks_back:
            return self.session_id
        if self._sessions is None:
            self._sessions = {}
        return self._sessions.setdefault(user_id, new_session())

    def __repr__(self) -> str:
        return f"Agent(id={self.id!r})"

    def definition(self) -> "AgentDefinition":
        """The agent as a value.

        Raises:
            BadDefinition: it cannot be one; the message says which part is wrong.
            NotSupported: it needs what Actalog does not have yet.
        """
        from actalog.definitions import agent_definition

        return agent_definition(self)

    def callables(self) -> Mapping[str, Callable[..., Any]]:
        """The author's functions by their path in the App."""
        from actalog.definitions import agent_callables

        return agent_callables(self)


PARAMETERS: frozenset[str] = frozenset(Agent.__init__.__kwdefaults__ or {})
