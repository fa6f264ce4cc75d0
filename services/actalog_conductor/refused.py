"""That a message is refused, and why."""

from actalog_contracts.tasks import RefusalCode
from actalog_core.errors import Permanent


class MessageWasRefused(Permanent):
    """The message was refused, and its sender was told."""

    reason = "refused"


class Refused(Exception):
    """A message is refused: whoever sent it hears about it."""

    def __init__(
        self, code: RefusalCode, message: str, *, field: str | None = None,
        run_id: str | None = None, winner: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code: RefusalCode = code
        self.message, self.field, self.run_id, self.winner = message, field, run_id, winner
