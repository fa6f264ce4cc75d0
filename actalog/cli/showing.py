"""At the end: one run's log, and the same run rebuilt from it, event for event."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actalog.cli.output import shorten
from actalog.cli.states import show as show_state
from actalog.cli.states import state_of
from actalog.cli.story import show, steps
from actalog.cli.telling import tell
from actalog.rebuilding import Recorded, recorded
from actalog_contracts.runs import InputChecked, MemoryUpdated, RunEvent, ToolCalled
from actalog_core.visible import visible
from actalog_log.ports import FoundRun, RunLog

if TYPE_CHECKING:
    from rich.console import Console

LOOKED_AT = 50  # runs: reading all of a long list would take longer than it tells


async def show_one(out: "Console", log: RunLog, results: Sequence[dict[str, Any]]) -> None:
    """The run that has the most to tell."""
    ran = [one for one in results if one.get("events")][:LOOKED_AT]
    found = [await log.find_run(one["tenant_id"], one["run_id"]) for one in ran]
    runs = [await recorded(log, one) for one in found if one is not None]
    if not runs:
        return
    run = max(runs, key=lambda one: _telling(one.events))
    run_id = run.found.row.run_id
    _say(out, f"\nIts log tells everything (actalog log {run_id}):\n")
    show(out, run.found, steps(run.stored))
    for child in await log.children(run.found.row.run_no):
        await _child(out, log, child)
    _say(out, f"\nAnd from the log alone it is rebuilt (actalog rebuild {run_id} --at SEQ):\n")
    _states(out, run)
    result = next(one for one in results if one.get("run_id") == run_id)
    _last(out, run, result.get("output"))


def _telling(events: Sequence[RunEvent]) -> int:
    """Masked text and tools tell more than talk."""
    masked = any(isinstance(one, InputChecked) and one.verdict == "masked" for one in events)
    return len(events) + 10 * masked + 2 * sum(isinstance(one, ToolCalled) for one in events)


async def _child(out: "Console", log: RunLog, child: FoundRun) -> None:
    run = await recorded(log, child)
    told = [tell(one) for one in run.events if isinstance(one, MemoryUpdated) and one.ops]
    if told:
        _say(out, f"\nIts child remembers (actalog log {child.row.run_id}): {'; '.join(told)}")


def _say(out: "Console", text: str) -> None:
    """Ids and memories are of others: brackets in them are no markup."""
    out.print(visible(text), markup=False)


def _states(out: "Console", run: Recorded) -> None:
    """What the run was after each event, and what it waited for."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="dim", pad_edge=False)
    made.add_column("after", justify="right")
    made.add_column("event", style="dim", no_wrap=True)
    made.add_column("state", style="cyan", no_wrap=True)
    made.add_column("waits for", ratio=1, overflow="fold")
    for event in run.stored:
        state = state_of(run, event.seq)
        made.add_row(
            str(event.seq), event.type.rpartition(".v")[0], state["state"],
            Text(visible(", ".join(filter(None, map(_waits, state["waits_for"]))))),
        )  # fmt: skip
    out.print(made)


ASKED: dict[str, str] = {
    "CheckText": "the guardrails", "GatherContext": "the context", "CallModel": "the model",
    "Remember": "the memory",
}  # fmt: skip


def _waits(due: dict[str, Any]) -> str:
    """`the model`, `order_status({"order_id":"1038"})`; the deadline is always waited for."""
    if due["asks"] == "RunTool":
        return f"{due['name']}({shorten(str(due.get('arguments', '')), 50)})"
    asks = str(due["asks"])
    return "" if asks == "Deadline" else ASKED.get(asks, asks)


def _last(out: "Console", run: Recorded, output: Any) -> None:
    state = state_of(run)
    usage: dict[str, Any] = state.get("facts", {}).get("usage") or {}
    told = {name: state[name] for name in ("run_id", "target", "seq", "hash", "state")}
    told["usage"] = {name: value for name, value in usage.items() if value}
    out.print()
    show_state(out, {**told, "output": output})
