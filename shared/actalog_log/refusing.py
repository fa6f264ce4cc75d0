"""What PostgreSQL refuses because of what it was given, told without a word of it."""

import asyncpg

from actalog_core.errors import DataRefused

# Of what a statement carried. What else PostgreSQL refuses, it refuses because of its own state:
# a lock that was not had in time, rights that were taken, a table that is being put back.
OF_THE_DATA = (
    asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError,
)  # fmt: skip


def refused(error: asyncpg.PostgresError) -> DataRefused:
    """To be raised `from None`: the server's words, and those of asyncpg, quote the values, which
    may be what a person said; a refusal gets into events, dead letters and log lines."""
    named = (
        f"{what} {name}" for what in ("table", "column", "constraint")
        if (name := getattr(error, f"{what}_name", None))
    )  # fmt: skip
    state: str = getattr(error, "sqlstate", "")
    return DataRefused(", ".join((f"{type(error).__name__} ({state})", *named)))
