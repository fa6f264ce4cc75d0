"""How a client meets a platform: over its bus, or over HTTP."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from pydantic_core import PydanticSerializationError

from actalog.errors import BadCall
from actalog_contracts.streams import Delta
from actalog_contracts.tasks import (
    Inbound,
    MessageRefused,
    PublishedEvent,
    RefusalError,
    RunResult,
)  # fmt: skip
from actalog_core.errors import Permanent

Told: TypeAlias = PublishedEvent | Delta
Followed: TypeAlias = Told | RunResult


class Refused(Permanent):
    """The platform refused the message."""

    def __init__(self, error: RefusalError, refusal: MessageRefused | None = None) -> None:
        self.error, self.refusal = error, refusal
        super().__init__(f"{error.code}: {error.message}")


def written(message: Inbound) -> bytes:
    """The message as JSON.

    Raises:
        BadCall: it has text that no JSON can carry.
    """
    try:
        return message.model_dump_json(exclude_none=True).encode()
    except PydanticSerializationError as error:
        raise BadCall(f"a {message.type}: {error}.") from error


class Transport(Protocol):
    """Connected between `start` and `stop`."""

    async def start(self) -> None:
        """Raises Transient when nobody answers."""
        ...

    async def stop(self) -> None: ...

    async def send(self, message: Inbound) -> None:
        """Give a message to the platform. Returns when it cannot get lost any more.

        Raises:
            Refused: it is refused at once (over the bus that is told later).
            Transient: the platform cannot be reached.
        """
        ...

    def watch(
        self, run_id: str, *, after: int = 0
    ) -> AbstractAsyncContextManager[AsyncIterator[Followed]]:
        """What is told of a run: over the bus from now on, over HTTP from event `after` on. Over
        the bus a result stands for events that are not told again: the run ended or paused before.

        The iterator raises Refused when a message of this client about the run was refused.
        """
        ...

    async def result(self, run_id: str) -> RunResult:
        """The run's result, or the next one. Over the bus: of a run that this client submitted,
        or one that is published from now on.

        Raises:
            Refused: a message of this client about the run was refused.
        """
        ...
