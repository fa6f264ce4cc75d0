"""How long what a fault hit stood still: until the next event of each run that waited."""

from collections.abc import Mapping, Sequence

from actalog.rebuilding import Recorded
from actalog_conductor import kinds
from actalog_contracts.topics import COMMAND_TOPICS
from actalog_core.homes import home
from tests.chaos.faults import EVERYTHING, Injection
from tests.chaos.stage import PARTITIONS


def recovery(
    injection: Injection, runs: Mapping[str, Recorded], after: Sequence[Injection] = ()
) -> list[float]:
    """Seconds from the fault to the next event, for each run that waited for what it hit. A run
    that was hit again while it waited, by what happened `after`, is counted there alone."""
    found: list[float] = []
    for run_id in sorted(injection.in_flight):
        run = runs.get(run_id)
        if run is None:
            continue
        before = sum(one.recorded_at.timestamp() <= injection.at for one in run.stored)
        if before == len(run.stored) or not _waits(injection, run, before):
            continue
        went_on = run.stored[before].recorded_at.timestamp()
        if not any(one.at < went_on and _waits(one, run, before) for one in after):
            found.append(went_on - injection.at)
    return found


def _waits(injection: Injection, run: Recorded, before: int) -> bool:
    state = run.state(before) if before else None
    # Paused waits for a person, waiting for a run before it, and ended for nothing.
    if state is not None and kinds.standing(state) != "active":
        return False
    if injection.whom == EVERYTHING:
        return True
    row = run.found.row
    if injection.whom.startswith("conductor"):
        return ("replies", home(row.session_id, PARTITIONS)) in injection.partitions
    for command in kinds.commands(run.kind.due(state)) if state is not None else ():
        topic = COMMAND_TOPICS[type(command)]
        key = command.call_id if topic.key == "call" else command.run_id
        if (topic.name, home(key, PARTITIONS)) in injection.partitions:
            return True
    return False
