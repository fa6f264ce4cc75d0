"""At the end: one run's log, and the same run rebuilt from it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actalog.cli.states import show as show_state
from actalog.cli.states import state_of
from actalog.cli.story import show, steps
from actalog.rebuilding import recorded
from actalog_log.ports import RunLog

if TYPE_CHECKING:
    from rich.console import Console


async def show_one(out: "Console", log: RunLog, results: Sequence[dict[str, Any]]) -> None:
    """The one with the most events has the most to tell."""
    ran = [one for one in results if one.get("events")]
    if not ran:
        return
    told = max(ran, key=lambda one: one["events"])
    found = await log.find_run(told["tenant_id"], told["run_id"])
    if found is None:
        return
    run = await recorded(log, found)
    out.print(f"\nIts log tells everything (actalog log {told['run_id']}):\n")
    show(out, found, steps(run.stored))
    out.print(f"\nAnd from the log alone it is rebuilt (actalog rebuild {told['run_id']}):\n")
    state = state_of(run)
    short = {name: state[name] for name in ("run_id", "target", "seq", "hash", "state")}
    if usage := state.get("facts", {}).get("usage"):
        short["usage"] = usage
    show_state(out, {**short, "output": told.get("output")})
