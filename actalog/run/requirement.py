"""What a paused run waits for."""

from dataclasses import dataclass
from typing import Literal

from actalog.errors import BadDefinition
from actalog.models.response import ToolExecution


@dataclass(slots=True)
class RunRequirement:
    """A tool call that a person must confirm. Decide, then give it to `continue_run`.

    Of `kind` `in_doubt` nobody knows whether it has acted: it can be rejected here, and
    `Client.resolve` or `actalog resolve` say that it was done or not.
    """

    id: str
    tool_execution: ToolExecution
    run_id: str
    confirmation: bool | None = None
    confirmation_note: str | None = None
    kind: Literal["confirmation", "in_doubt"] = "confirmation"

    @property
    def needs_confirmation(self) -> bool:
        return self.kind == "confirmation" and not self.is_resolved()

    def confirm(self, note: str | None = None) -> None:
        """The tool may run with the arguments that were seen.

        Raises:
            BadDefinition: it may have run already.
        """
        if self.kind == "in_doubt":
            raise BadDefinition(
                f"nobody knows whether {self.tool_execution.tool_name} has acted: reject() it, or "
                f"`actalog resolve {self.run_id} {self.id}` with --done or --not-done."
            )
        self._decide(True, note)

    def reject(self, note: str | None = None) -> None:
        """The tool must not run; the model is told so, with the note."""
        self._decide(False, note)

    def is_resolved(self) -> bool:
        """Decided, here or on the tool execution itself."""
        return self.decision is not None

    @property
    def decision(self) -> bool | None:
        """True: may run; False: must not; None: open."""
        told = self.tool_execution.confirmed
        return told if self.confirmation is None else self.confirmation

    @property
    def note(self) -> str | None:
        return self.confirmation_note or self.tool_execution.confirmation_note

    def _decide(self, confirmed: bool, note: str | None) -> None:
        self.confirmation, self.confirmation_note = confirmed, note
        self.tool_execution.confirmed, self.tool_execution.confirmation_note = confirmed, note
