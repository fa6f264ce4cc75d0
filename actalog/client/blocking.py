"""The client for programs without an event loop: the same verbs, each waits for its answer."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from actalog.client.transport import Told
from actalog.given_calls import of_kind
from actalog.run.loop import BACKGROUND
from actalog_contracts.tasks import RunResult

if TYPE_CHECKING:
    from actalog.client.client import Client, Decision


class BlockingClient:
    """What `with Client() as client:` gives. It works in scripts, in notebooks and in threads; in
    a coroutine `async with Client() as client:` is the one to use."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def submit(
        self, target: str, input: "str | Mapping[str, Any]", *, run_id: str | None = None,
        **more: Any,
    ) -> str:  # fmt: skip
        """See `Client.submit`."""
        return BACKGROUND.run(self._client.submit(target, input, run_id=run_id, **more))

    def result(self, run_id: str, *, timeout: float | None = None) -> RunResult:
        """See `Client.result`. `timeout` is in seconds.

        Raises:
            TimeoutError: the run has not ended or paused by then; it goes on.
            BadCall: this is no id of a run, or no number of seconds.
        """
        if timeout is not None:
            of_kind("timeout", timeout, (int, float), called="a number of seconds")
        return BACKGROUND.run(_within(timeout, self._client, run_id))

    def stream(self, run_id: str, *, after: int = 0) -> Iterator[Told]:
        """See `Client.stream`."""
        return BACKGROUND.iterate(_stream(self._client, run_id, after))

    def resolve(self, run_id: str, requirement_id: str, decision: "Decision", **more: Any) -> None:
        """See `Client.resolve`."""
        BACKGROUND.run(self._client.resolve(run_id, requirement_id, decision, **more))

    def cancel(self, run_id: str, *, reason: str | None = None, by: str | None = None) -> None:
        """See `Client.cancel`."""
        BACKGROUND.run(self._client.cancel(run_id, reason=reason, by=by))


async def _within(timeout: float | None, client: "Client", run_id: str) -> RunResult:
    async with asyncio.timeout(timeout):
        return await client.result(run_id)


async def _stream(client: "Client", run_id: str, after: int) -> AsyncGenerator[Told, None]:
    async for one in client.stream(run_id, after=after):
        yield one
