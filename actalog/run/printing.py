"""The question and the answer on a terminal."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from actalog.models.response import ToolExecution
from actalog.run.agent import (
    RunContentEvent,
    RunOutput,
    RunPausedEvent,
    ToolCallCompletedEvent,
    ToolCallStartedEvent,
)  # fmt: skip
from actalog.run.requirement import RunRequirement
from actalog_core.visible import exact, visible

if TYPE_CHECKING:
    from actalog.run.runnable import Runnable


def _waits(asked: RunRequirement) -> str:
    call = _call(asked.tool_execution)
    if asked.kind == "in_doubt":
        return f"Waits for somebody who knows whether {call} has acted."
    return f"Waits for a confirmation of {call}."


class Sheet:
    """What is shown so far."""

    def __init__(self, input: Any, *, markdown: bool) -> None:
        self.began = time.monotonic()
        self.input, self.markdown = str(input), markdown
        self.text = self.reasoning = ""
        self.tools: list[str] = []
        self.output: RunOutput | None = None

    def hear(self, event: object) -> None:
        match event:
            case RunContentEvent(content=content, reasoning_content=reasoning):
                self.text += content or ""
                self.reasoning += reasoning or ""
            case ToolCallStartedEvent(tool=tool):
                self.tools.append(_call(tool))
            case ToolCallCompletedEvent(tool=tool) if tool.tool_call_error:
                self.tools.append(f"{tool.tool_name} failed: {tool.result}")
            case RunPausedEvent(requirements=asked):
                self.text += "".join(f"\n{_waits(one)}" for one in asked)
            case RunOutput():
                self.output = event
                if not event.is_paused and event.content is not None:
                    self.text = event.get_content_as_string()
            case _:
                return

    def __rich__(self) -> Group:
        parts = [Panel(Text(visible(self.input)), title="Message", title_align="left")]
        if self.reasoning:
            parts.append(
                Panel(Text(visible(self.reasoning)), title="Reasoning", title_align="left")
            )
        if self.tools:
            tools = Text(visible("\n".join(self.tools)))
            parts.append(Panel(tools, title="Tool Calls", title_align="left"))
        if self.text:
            seconds = time.monotonic() - self.began
            text = visible(self.text)
            said = Markdown(text) if self.markdown else Text(text)
            parts.append(Panel(said, title=f"Response ({seconds:.1f}s)", title_align="left"))
        return Group(*parts)


def _call(tool: ToolExecution) -> str:
    """`refund(order_id='1042')`: what a person decides upon, character for character."""
    told = ", ".join(f"{name}={value!r}" for name, value in tool.tool_args.items())
    return exact(f"{tool.tool_name}({told})")


def print_response(
    runnable: "Runnable", input: Any, stream: bool, options: Mapping[str, Any]
) -> None:
    """Show a run that is iterated over; without `stream`, once it has ended."""
    with _shown(_sheet(runnable, input, options), stream) as (sheet, refresh):
        for event in runnable.run(input, stream=True, **_all(options)):
            sheet.hear(event)
            refresh()


async def aprint_response(
    runnable: "Runnable", input: Any, stream: bool, options: Mapping[str, Any]
) -> None:
    """The same, in a running loop."""
    with _shown(_sheet(runnable, input, options), stream) as (sheet, refresh):
        async for event in runnable.arun(input, stream=True, **_all(options)):
            sheet.hear(event)
            refresh()


@contextmanager
def _shown(sheet: Sheet, stream: bool) -> Generator[tuple[Sheet, Callable[[], None]]]:
    """On a terminal as it grows; elsewhere, in a file for example, once it is whole."""
    console = Console()
    if not stream or not (console.is_terminal or console.is_jupyter):
        yield sheet, _nothing
        console.print(sheet)
        return
    with Live(sheet, console=console, auto_refresh=False) as live:
        yield sheet, live.refresh
        live.refresh()


def _nothing() -> None:
    pass


def _sheet(runnable: "Runnable", input: Any, options: Mapping[str, Any]) -> Sheet:
    markdown = options.get("markdown", getattr(runnable, "markdown", False))
    return Sheet(input, markdown=markdown)


def _all(options: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in options.items() if name != "markdown"}
    return {**rest, "stream_events": True, "yield_run_output": True}
