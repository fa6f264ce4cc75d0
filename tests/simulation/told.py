"""A run as the log has it, for those who judge."""

from dataclasses import dataclass

from actalog.rebuilding import Recorded
from actalog_log.ports import FoundRun


@dataclass(frozen=True)
class Told:
    """A run, as the log has it."""

    found: FoundRun
    run: Recorded

    @property
    def types(self) -> list[str]:
        return [one.type for one in self.run.stored]

    @property
    def name(self) -> str:
        return f"run {self.found.row.run_no} ({self.found.row.run_id})"
