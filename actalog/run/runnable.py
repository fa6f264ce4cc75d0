"""What can be run: `run`, `arun`, `print_response`, `continue_run`, as Agno has them."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from actalog.errors import BadCall

if TYPE_CHECKING:
    from actalog.agent import Agent
    from actalog.models.response import ToolExecution
    from actalog.run.agent import RunOutput, RunOutputEvent
    from actalog.run.requirement import RunRequirement
    from actalog.run.runner import Run

    Streamed = RunOutputEvent | RunOutput


class Runnable:
    """Every method works in a script, in a notebook and inside a running loop.

    Options of all: `user_id`, `session_id`, `run_id` (the same twice is one run),
    `session_state`, `dependencies`, `metadata`, `output_schema`; `images`, `audio`, `videos`,
    `files` (of `actalog.media`). With `stream=True` the answer
    comes as it is written: RunContentEvents, and an event where it pauses or fails; with
    `stream_events=True` all events; with `yield_run_output=True` the RunOutput last.

    Raises:
        Refused: the platform refuses the task, for instance because it does not know the agent.
    """

    __slots__ = ()

    @overload
    def run(self, input: Any, *, stream: Literal[False] = False, **options: Any) -> "RunOutput": ...
    @overload
    def run(
        self, input: Any, *, stream: Literal[True], stream_events: bool = False,
        yield_run_output: Literal[False] = False, **options: Any,
    ) -> "Iterator[RunOutputEvent]": ...  # fmt: skip
    @overload
    def run(
        self, input: Any, *, stream: Literal[True], stream_events: bool = False,
        yield_run_output: bool, **options: Any,
    ) -> "Iterator[Streamed]": ...  # fmt: skip
    def run(self: Any, input: Any, *, stream: bool = False, **options: Any) -> Any:
        """Run, and wait for the output; or iterate over what happens."""
        from actalog.run.loop import BACKGROUND

        told = _begin(self, input, stream, options)
        return BACKGROUND.iterate(told) if stream else BACKGROUND.run(_last(told))

    @overload
    def arun(
        self, input: Any, *, stream: Literal[False] = False, **options: Any
    ) -> "Coroutine[Any, Any, RunOutput]": ...
    @overload
    def arun(
        self, input: Any, *, stream: Literal[True], stream_events: bool = False,
        yield_run_output: Literal[False] = False, **options: Any,
    ) -> "AsyncIterator[RunOutputEvent]": ...  # fmt: skip
    @overload
    def arun(
        self, input: Any, *, stream: Literal[True], stream_events: bool = False,
        yield_run_output: bool, **options: Any,
    ) -> "AsyncIterator[Streamed]": ...  # fmt: skip
    def arun(self: Any, input: Any, *, stream: bool = False, **options: Any) -> Any:
        """The same to await, or to iterate over with `async for`."""
        from actalog.run.loop import BACKGROUND

        told = _begin(self, input, stream, options)
        return BACKGROUND.aiterate(told) if stream else BACKGROUND.wait(_last(told))

    def continue_run(
        self: Any,
        run_response: "RunOutput | None" = None,
        *,
        run_id: str | None = None,
        requirements: "Sequence[RunRequirement] | None" = None,
        updated_tools: "Sequence[ToolExecution] | None" = None,
        stream: bool = False,
        by: str | None = None,
        **options: Any,
    ) -> Any:
        """Go on with a paused run, whose requirements somebody has decided (`confirm()`,
        `reject()`, or `confirmed` on a tool): a RunOutput, or what happens. `by` is who decided.

        Raises:
            BadCall: a requirement is still open, or it is not said which run.
        """
        from actalog.run.loop import BACKGROUND

        told = _resume(self, run_response, run_id, requirements, updated_tools, stream, by, options)
        return BACKGROUND.iterate(told) if stream else BACKGROUND.run(_last(told))

    def acontinue_run(
        self: Any,
        run_response: "RunOutput | None" = None,
        *,
        run_id: str | None = None,
        requirements: "Sequence[RunRequirement] | None" = None,
        updated_tools: "Sequence[ToolExecution] | None" = None,
        stream: bool = False,
        by: str | None = None,
        **options: Any,
    ) -> Any:
        """The same to await, or to iterate over with `async for`."""
        from actalog.run.loop import BACKGROUND

        told = _resume(self, run_response, run_id, requirements, updated_tools, stream, by, options)
        return BACKGROUND.aiterate(told) if stream else BACKGROUND.wait(_last(told))

    def cancel_run(self: Any, run_id: str, *, reason: str | None = None) -> None:
        """Cancel a run that this agent began, or is going to begin."""
        from actalog.run.loop import BACKGROUND

        BACKGROUND.run(_cancel(self, run_id, reason))

    async def acancel_run(self: Any, run_id: str, *, reason: str | None = None) -> None:
        """The same to await."""
        from actalog.run.loop import BACKGROUND

        await BACKGROUND.wait(_cancel(self, run_id, reason))

    def print_response(self, input: Any, *, stream: bool = True, **options: Any) -> None:
        """Run, and show the question and the answer on the terminal, as it is written."""
        from actalog.run.printing import print_response

        print_response(self, input, stream, options)

    async def aprint_response(self, input: Any, *, stream: bool = True, **options: Any) -> None:
        """The same to await."""
        from actalog.run.printing import aprint_response

        await aprint_response(self, input, stream, options)


async def _last(told: "AsyncGenerator[Streamed, None]") -> Any:
    """The output, which comes last."""
    return [one async for one in told][-1]


def _begin(
    agent: "Agent", input: Any, stream: bool, options: Mapping[str, Any]
) -> "AsyncGenerator[Streamed, None]":
    from actalog.run.runner import Options, Run

    chosen, rest = _shown(stream, options)
    try:
        made = Options(**rest)
    except TypeError as error:
        raise BadCall(f"run() {str(error).partition('() ')[2]}.") from error
    run = Run.new(agent, made)
    return _tell(run, run.begin(input, made), *chosen)


def _resume(
    agent: "Agent", response: "RunOutput | None", run_id: str | None,
    requirements: "Sequence[RunRequirement] | None", tools: "Sequence[ToolExecution] | None",
    stream: bool, by: str | None, options: Mapping[str, Any],
) -> "AsyncGenerator[Streamed, None]":  # fmt: skip
    from actalog.given_calls import text
    from actalog.run.resuming import decided, resumed

    if by is not None:
        text("by", by)
    chosen, rest = _shown(stream, options)
    if unknown := rest.keys() - {"session_id", "user_id"}:  # the run has them
        raise BadCall(f"continue_run() has no option {min(unknown)!r}.")
    run = resumed(agent, response, run_id, requirements)
    answers = decided(run, requirements, tools)
    return _tell(run, run.answer(answers, by), *chosen)


def _shown(stream: bool, options: Mapping[str, Any]) -> tuple[tuple[bool, bool], dict[str, Any]]:
    rest = dict(options)
    events = rest.pop("stream_events", False)
    last = rest.pop("yield_run_output", False)
    return (stream and events, last or not stream), rest


async def _tell(
    run: "Run", told: "AsyncGenerator[RunOutputEvent, None]", all_events: bool, output: bool
) -> "AsyncGenerator[Streamed, None]":
    from actalog.run.agent import (
        RunCancelledEvent,
        RunContentEvent,
        RunErrorEvent,
        RunPausedEvent,
    )  # fmt: skip

    always = (RunContentEvent, RunPausedEvent, RunErrorEvent, RunCancelledEvent)
    async for event in told:
        if all_events or isinstance(event, always):
            yield event
    if output:
        yield run.output


async def _cancel(agent: "Agent", run_id: str, reason: str | None) -> None:
    from actalog.run.front import FRONTS

    client = await FRONTS.now().client(agent)
    await client.cancel(run_id, reason=reason)


def new_session() -> str:
    """An id for a session of this program."""
    return str(uuid.uuid4())
