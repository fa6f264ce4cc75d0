"""A database that cannot be reached, or does not do what it is asked for now, is Transient."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import wraps
from types import CoroutineType
from typing import Any, NoReturn, ParamSpec, TypeVar

import asyncpg

from actalog_core.errors import Transient
from actalog_log.database import CONNECTION_LOST
from actalog_log.refusing import OF_THE_DATA, refused

P = ParamSpec("P")
T = TypeVar("T")
FAULTS = (*OF_THE_DATA, *CONNECTION_LOST, asyncpg.PostgresError)


def reaching(call: Callable[P, Awaitable[T]]) -> "Callable[P, CoroutineType[Any, Any, T]]":
    """A call that raises Transient unless it is what was asked that the database refuses, which is
    DataRefused: no message is to blame for a lock that was not had in time."""

    @wraps(call)
    async def reaches(*args: P.args, **kwargs: P.kwargs) -> T:
        try:  # not `with reached()`: every call of the log passes here
            return await call(*args, **kwargs)
        except FAULTS as error:
            _told(error)

    return reaches


@contextmanager
def reached() -> Generator[None]:
    """The same for what is done within."""
    try:
        yield
    except FAULTS as error:
        _told(error)


def _told(error: BaseException) -> NoReturn:
    if isinstance(error, OF_THE_DATA):
        raise refused(error) from None
    raise Transient(f"PostgreSQL: {error or type(error).__name__}") from error
