"""What a paused run waits for."""

from dataclasses import dataclass

from actalog.models.response import ToolExecution


@dataclass(slots=True)
class RunRequirement:
    """A tool call that a person must confirm. Decide, then give it to `continue_run`."""

    id: str
    tool_execution: ToolExecution
    run_id: str
    confirmation: bool | None = None
    confirmation_note: str | None = None

    @property
    def needs_confirmation(self) -> bool:
        return not self.is_resolved()

    def confirm(self, note: str | None = None) -> None:
        """The tool may run with the arguments that were seen."""
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
