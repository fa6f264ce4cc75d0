"""How a run stands."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Agno's names. A run that a guardrail blocked has ended in `error`."""

    pending = "PENDING"
    running = "RUNNING"
    completed = "COMPLETED"
    paused = "PAUSED"
    cancelled = "CANCELLED"
    error = "ERROR"
