"""One request to a model: sent, read to its end, under its deadlines."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Literal, Self

from actalog_contracts.definitions import ModelChoice
from actalog_core import crashpoints
from actalog_core.values import frozen
from actalog_llm.failures import failure
from actalog_llm.ports import Adapter, Opened
from actalog_llm.providers import Endpoint
from actalog_llm.whole import ALIVE, Accumulator, Broken, Whole

Show = Callable[[Literal["text", "reasoning"], str], None]


@frozen
class Answered:
    """A whole message, the provider's name for the request, and when its first token came."""

    whole: Whole
    request_id: str | None
    first_token_ms: int | None


async def ask(
    adapter: Adapter, endpoint: Endpoint, body: dict[str, Any], choice: ModelChoice, show: Show
) -> Answered:
    """Send a request and read its stream; `show` gets each piece as it comes.

    Raises:
        Broken: a deadline has passed, or the stream gave no whole message.
        Whatever the SDK raises.
    """
    reading = _Reading(adapter.accumulator(), choice, show)
    try:
        async with asyncio.timeout(None) as timeout:
            with _Deadline(timeout, choice.first_token_timeout_ms / 1_000) as deadline:
                connect_s = choice.connect_timeout_ms / 1_000
                opened = await adapter.open(endpoint, body, connect_s=connect_s)
                try:
                    await reading.read(opened, deadline)
                finally:
                    with contextlib.suppress(Exception):
                        await opened.close()
    except TimeoutError as error:
        reading.broke("timeout", reading.late(), error)
    except Exception as error:
        if not (reading.accumulator.finished or reading.cut_off(error)):
            raise
        reading.broke("truncated", f"the stream broke off: {error}", error)
    whole = reading.accumulator.whole()
    request_id = reading.request_id or whole.id
    return Answered(whole, request_id, reading.first_token_ms)


class _Deadline:
    """A time-out that each token moves. Its timer stays where it is and looks again when it rings:
    moving it would cost more than reading the token."""

    def __init__(self, timeout: asyncio.Timeout, in_s: float) -> None:
        self.timeout, self.loop = timeout, asyncio.get_running_loop()
        self.at = self.rings = self.loop.time() + in_s
        self.timer = self.loop.call_at(self.rings, self._look)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()

    def move(self, at: float) -> None:
        """From now on it passes at that time of the loop."""
        self.at = at
        if at < self.rings:
            self._ring(at)

    def _ring(self, at: float) -> None:
        self.timer.cancel()
        self.rings, self.timer = at, self.loop.call_at(at, self._look)

    def _look(self) -> None:
        if self.at > self.loop.time():
            self._ring(self.at)
        else:
            self.timeout.reschedule(self.at)  # it has passed: the work is cancelled


class _Reading:
    def __init__(self, accumulator: Accumulator, choice: ModelChoice, show: Show) -> None:
        self.accumulator, self.choice, self.show = accumulator, choice, show
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.first_token_ms: int | None = None
        self.request_id: str | None = None

    async def read(self, opened: Opened, deadline: _Deadline) -> None:
        """Until the stream ends. From the first token on, each chunk moves the deadline; and always
        what a server says only to show that it is at work: a model thinks unseen, and Anthropic
        holds a tool's argument back until it is whole."""
        self.request_id = opened.request_id
        between_s = self.choice.between_tokens_timeout_ms / 1_000
        first_s = self.choice.first_token_timeout_ms / 1_000
        accumulator, loop = self.accumulator, self.loop
        async for chunk in opened.chunks:
            if chunk is ALIVE:
                deadline.move(loop.time() + (between_s if accumulator.started else first_s))
                continue
            pieces = accumulator.take(chunk)
            if accumulator.started:
                now = loop.time()
                if self.first_token_ms is None:
                    self.first_token_ms = int((now - self.began) * 1_000)
                deadline.move(now + between_s)
            for kind, text in pieces:
                self.show(kind, text)
            if crashpoints.armed:
                crashpoints.reach("model.streaming")

    def late(self) -> str:
        """Which deadline has passed."""
        if self.accumulator.started:
            return f"no further token within {self.choice.between_tokens_timeout_ms} ms"
        return f"no token within {self.choice.first_token_timeout_ms} ms"

    def cut_off(self, error: Exception) -> bool:
        """Whether the connection broke after the model had begun."""
        return self.accumulator.started and failure(error).kind == "connection"

    def broke(self, kind: Literal["timeout", "truncated"], message: str, cause: Exception) -> None:
        """The stream broke off. What was whole already (only its end is missing) is good."""
        if self.accumulator.finished:
            return
        try:
            usage = self.accumulator.whole().usage
        except Broken as broken:
            usage = broken.usage
        raise Broken(kind, message, usage=usage) from cause
