"""Why records wait, said in the log so that it can be read."""

import time

import structlog

from actalog_bus.ports import Record
from actalog_core.clock import Monotonic

log = structlog.get_logger()
QUIET_S = 5.0
MOST = 64  # different reasons that are remembered


class Outages:
    """In an outage all that is held fails in the same way, again and again: a reason is said with
    the record that met it first, and then every few seconds with how many met it meanwhile."""

    def __init__(self, monotonic: Monotonic = time.monotonic) -> None:
        self._monotonic = monotonic
        self._said: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def met(self, record: Record, error: BaseException, *, attempts: int) -> None:
        """A record has to wait."""
        reason = f"{type(error).__name__}: {error}"
        now = self._monotonic()
        if now - self._said.get(reason, -QUIET_S) < QUIET_S:
            self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
            return
        if len(self._said) >= MOST:
            self._said.clear()
            self._unsaid.clear()
        self._said[reason] = now
        log.warning(
            "will be heard again", error=reason, attempts=attempts, topic=record.topic,
            partition=record.partition, offset=record.offset, more=self._unsaid.pop(reason, 0),
        )  # fmt: skip
