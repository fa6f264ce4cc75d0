"""A database that cannot be reached is Transient."""

from collections.abc import Awaitable, Callable
from functools import wraps
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar

from actalog_core.errors import Transient
from actalog_log.flush import CONNECTION_LOST, NOT_NOW

P = ParamSpec("P")
T = TypeVar("T")


def reaching(call: Callable[P, Awaitable[T]]) -> "Callable[P, CoroutineType[Any, Any, T]]":
    """A call that raises Transient when the database cannot be reached."""

    @wraps(call)
    async def reached(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await call(*args, **kwargs)
        except (*CONNECTION_LOST, *NOT_NOW) as error:
            raise Transient(f"PostgreSQL: {error or type(error).__name__}") from error

    return reached
