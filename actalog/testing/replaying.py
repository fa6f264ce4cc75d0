"""Recorded runs as a test: today's code must decide what was decided, and send what was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actalog.app import App
from actalog.cli.differences import diff, headline
from actalog.definitions import encode
from actalog.rebuilding import recorded
from actalog.recording import Recording, read
from actalog.replaying import replay as again
from actalog.run.loop import BACKGROUND
from actalog_log.memory import MemoryLog
from actalog_log.ports import FoundRun


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was replayed: the ids of the runs, in the order of the file."""

    runs: Sequence[str]


class Differs(AssertionError):
    """Today's code does something else; the text has the first difference of each run, as a diff."""


def replay(path: str | Path, app: App | None = None) -> Replayed:
    """Replay the runs of a recording (`IsolatedPlatform.record`, `actalog replay --save FILE`).

    Deciders and prompt rendering are today's; what models, tools, stores and clocks said comes
    from the recording. With `app`, its agents take the place of those that were recorded under
    the same id: a prompt that they would change is a difference.

    Raises:
        Differs: a run would not go as it went.
        NoRecording, RecordingChanged: the file cannot be read, or was changed.
    """
    return BACKGROUND.run(_replay(Path(path), app))


async def _replay(path: Path, app: App | None) -> Replayed:
    recording = await read(path)
    if app is not None:
        _with_todays(recording.log, app)
    told = [text for found in recording.runs if (text := await _difference(recording, found))]
    if told:
        raise Differs("\n\n".join(told))
    return Replayed([found.row.run_id for found in recording.runs])


async def _difference(recording: Recording, found: FoundRun) -> str | None:
    difference = await again(recording.log, await recorded(recording.log, found))
    if difference is None:
        return None
    lines = await diff(recording.log, difference)
    return "\n".join([f"run {found.row.run_id} differs at {headline(difference)}", *lines])


def _with_todays(log: MemoryLog, app: App) -> None:
    """The App's agents under the digests that the runs have pinned."""
    todays = {one.id: encode(one).body for one in app.definitions()}
    for digest, (kind, id, body) in log.definitions.items():
        log.definitions[digest] = (kind, id, todays.get(id, body))
