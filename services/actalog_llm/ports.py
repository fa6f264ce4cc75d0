"""How the service reaches a provider."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from actalog_core.values import frozen
from actalog_llm.providers import Endpoint
from actalog_llm.whole import Accumulator, Kind


@frozen
class Opened:
    """A response that has begun. `chunks` are parsed JSON, or `ALIVE`."""

    chunks: AsyncIterator[object]
    close: Callable[[], Awaitable[None]]
    request_id: str | None


@frozen
class Failure:
    """Why a request failed. `retry`: another one may succeed."""

    kind: Kind
    message: str
    retry_after_ms: int | None = None
    retry: bool = False


class Adapter(Protocol):
    """One wire format."""

    def accumulator(self) -> Accumulator: ...

    async def open(self, endpoint: Endpoint, body: dict[str, Any], *, connect_s: float) -> Opened:
        """Send a request; returns with the response's head. Raises what the SDK raises."""
        ...
