"""What a model writes, shown to people while it writes (protocol 8). Never needed for truth."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import structlog

from actalog_bus.envelope import Postman
from actalog_bus.ports import Outgoing
from actalog_contracts.calls import CallModel
from actalog_contracts.streams import Delta, Progress
from actalog_core.errors import ActalogError

Kind = Literal["text", "reasoning"]
WINDOW_S = 0.02  # people see no difference below; each message costs a publish

log = structlog.get_logger()


class Deltas:
    """The deltas of one attempt: the first at once, then what has come within each window, and
    what is left with the answer.

    `stands` returns once the call is claimed; nothing leaves before (protocol 6.3). A delta that
    cannot be published is lost: the log will have the whole message.
    """

    def __init__(
        self,
        command: CallModel,
        *,
        epoch: int,
        postman: Postman,
        stands: Callable[[], Awaitable[object]],
        quiet: bool = False,
        window_s: float = WINDOW_S,
    ) -> None:
        self.command, self.epoch, self.postman = command, epoch, postman
        self.stands, self.quiet, self.window_s = stands, quiet, window_s
        self.offsets: dict[Kind, int] = {"text": 0, "reasoning": 0}
        self.task: asyncio.Task[None] | None = None
        self._waiting: list[tuple[Kind, str]] = []
        self._left: list[Outgoing] = []
        self._more = asyncio.Event()
        self._ended = False

    def add(self, kind: Kind, text: str) -> None:
        """More of the message. Quiet deltas say nothing."""
        if self.quiet:
            return
        self._waiting.append((kind, text))
        self._more.set()
        if self.task is None:
            self.task = asyncio.create_task(self._send_all())

    def end(self) -> None:
        """The message is whole: what is left leaves with the answer, by `send_rest`."""
        self._left = self._taken()
        self._ended = True
        self._more.set()

    def drop(self) -> None:
        """The attempt is void: nothing more of it is sent."""
        self._waiting.clear()
        self.end()

    def send_rest(self) -> None:
        """What is left is on its way. Called when the answer is about to leave, it goes to the
        broker in the same request; later, people would wait for the answer's acknowledgement."""
        left, self._left = self._left, []
        if left:
            self.task = asyncio.create_task(self._publish(left))

    async def _send_all(self) -> None:
        try:
            await self.stands()
        except ActalogError as error:
            if not self._ended:  # else the answer was whole before, and has taken them along
                log.warning("deltas were not sent", call=self.command.call_id, error=str(error))
            return
        while not self._ended:
            self._more.clear()
            await self._publish(self._taken())
            await asyncio.sleep(self.window_s)
            if not self._waiting and not self._ended:
                await self._more.wait()

    async def _publish(self, records: list[Outgoing]) -> None:
        try:
            await self.postman.bus.publish_many(records)
        except ActalogError as error:
            log.warning("deltas were not sent", call=self.command.call_id, error=str(error))

    def _taken(self) -> list[Outgoing]:
        """What has come since the last time, as records."""
        waiting, self._waiting = self._waiting, []
        return [self._record(kind, text) for kind, text in _joined(waiting)]

    def _record(self, kind: Kind, text: str) -> Outgoing:
        command, offset = self.command, self.offsets[kind]
        self.offsets[kind] += len(text)
        delta = Delta(
            tenant_id=command.tenant_id, run_id=command.run_id, session_id=command.session_id,
            call_id=command.call_id, epoch=self.epoch, kind=kind, offset=offset, text=text,
        )  # fmt: skip
        return self.postman.shown(delta)


async def tell_retry(postman: Postman, command: CallModel, *, epoch: int, detail: str) -> None:
    """People see that the message begins anew. Lost when the bus does not take it."""
    progress = Progress(
        tenant_id=command.tenant_id, run_id=command.run_id, session_id=command.session_id,
        call_id=command.call_id, epoch=epoch, what="retry", detail=detail,
    )  # fmt: skip
    try:
        await postman.stream(progress)
    except ActalogError as error:
        log.warning("progress was not told", call=command.call_id, error=str(error))


def _joined(waiting: list[tuple[Kind, str]]) -> list[tuple[Kind, str]]:
    """Neighbours of one kind as one text."""
    told: list[tuple[Kind, list[str]]] = []
    for kind, text in waiting:
        if told and told[-1][0] == kind:
            told[-1][1].append(text)
        else:
            told.append((kind, [text]))
    return [(kind, "".join(texts)) for kind, texts in told]
