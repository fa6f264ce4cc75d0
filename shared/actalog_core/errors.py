"""Failures are of three kinds: refused is an event, transient is retried, permanent is a dead letter.

An error's docstring is its message; its data are attributes.
"""

from typing import Literal


class ActalogError(Exception):
    """Something went wrong."""

    def __init__(self, detail: str = "", **data: object) -> None:
        self.detail = detail
        self.data = data
        super().__init__(detail)

    def __str__(self) -> str:
        said = (type(self).__doc__ or "").strip()
        return f"{said} {self.detail}".strip()


class Transient(ActalogError):
    """May succeed when tried again."""

    tries: int | None = None
    """After so many it never will; None: an outage, which is waited for however long it takes."""


class Permanent(ActalogError):
    """Can never succeed."""

    reason: Literal["refused", "permanent", "killed"] = "permanent"
    """What its dead letter says."""


class NewerBuild(Transient):
    """A newer build wrote this: it waits for one."""


class SequenceTaken(Transient):
    """Somebody appended first. Read again and decide again."""


class TurnTaken(Transient):
    """Another run took the session's turn. Take the next one."""


class RunExists(Transient):
    """A run with this id exists. Read it."""


class DataRefused(Permanent):
    """PostgreSQL refuses this run's data."""


class SettingMissing(Permanent):
    """A setting is missing or wrong."""


class OptionWrong(SettingMissing):
    """An option of the command line is wrong."""


class Tampered(Permanent):
    """What was recorded is not what stands there now."""


class ChainBroken(Tampered):
    """The log was changed: a hash does not follow from the one before."""


class Undecodable(Permanent):
    """The message cannot be read."""
