"""A run as `GET /v1/runs/{run_id}/events` tells it (protocol 8). Pure: items in, frames out."""

from collections.abc import Iterator
from dataclasses import dataclass

from actalog_contracts.streams import Delta, Progress
from actalog_gateway.feeds import Item, Told
from actalog_gateway.sse import Ids, data_frame, frame


@dataclass(slots=True)
class Open:
    """A message that is being written: how many code points of it this client has."""

    epoch: int
    text: int = 0
    reasoning: int = 0


class Teller:
    """For one client. `after` is the last seq it has: later events are told, and a message that
    it may have seen the beginning of starts again behind a `restart`."""

    __slots__ = ("_answered", "_open", "after", "deltas", "ids", "run_id", "seq")

    def __init__(self, ids: Ids, run_id: str, *, after: int = 0, deltas: bool = True) -> None:
        self.ids, self.run_id, self.after, self.deltas = ids, run_id, after, deltas
        self.seq = 0
        self._open: dict[str, Open] = {}
        self._answered: set[str] = set()

    def tell(self, item: Item) -> Iterator[bytes]:
        """The frames that an item becomes."""
        match item:
            case Told():
                yield from self._event(item)
            case Delta() if self.deltas:
                yield from self._delta(item)
            case Progress() if self.deltas and item.call_id not in self._answered:
                told = item.model_dump(include={"run_id", "call_id", "epoch", "what", "detail"})
                yield data_frame("progress", told)
            case _:
                return

    def _event(self, event: Told) -> Iterator[bytes]:
        self.seq = event.seq
        if event.type in ("model.replied.v1", "model.failed.v1"):
            call_id = str(event.payload.get("call_id"))
            self._answered.add(call_id)
            open = self._open.pop(call_id, None)
            if open is not None and event.seq > self.after and event.payload.get("text"):
                yield from self._remainder(call_id, open, event)
        if event.seq > self.after:
            yield frame(event.type, event.raw, id=self.ids.of(event.seq))

    def _remainder(self, call_id: str, open: Open, event: Told) -> Iterator[bytes]:
        """What the deltas have not told; all of it, if it was another attempt that answered."""
        epoch, text = int(event.payload.get("epoch", 1)), str(event.payload["text"])
        if open.epoch != epoch or open.text > len(text):
            yield self._restart(call_id, epoch)
            open = Open(epoch)
        if rest := text[open.text :]:
            yield self._more(call_id, epoch, "text", open.text, rest)

    def _delta(self, delta: Delta) -> Iterator[bytes]:
        """Of the highest epoch only; behind a gap the message's end brings the rest."""
        known = self._open.get(delta.call_id)
        if delta.call_id in self._answered or (known and delta.epoch < known.epoch):
            return
        if known is None or delta.epoch > known.epoch:
            if delta.offset:
                return
            if known is not None or self.after:
                yield self._restart(delta.call_id, delta.epoch)
            known = self._open[delta.call_id] = Open(delta.epoch)
        have = known.text if delta.kind == "text" else known.reasoning
        new = delta.text[max(0, have - delta.offset) :]
        if delta.offset > have or not new:
            return
        if delta.kind == "text":
            known.text += len(new)
        else:
            known.reasoning += len(new)
        yield self._more(delta.call_id, delta.epoch, delta.kind, have, new)

    def _more(self, call_id: str, epoch: int, kind: str, offset: int, text: str) -> bytes:
        return data_frame(
            "delta",
            {"run_id": self.run_id, "call_id": call_id, "epoch": epoch, "kind": kind,
             "offset": offset, "text": text},
        )  # fmt: skip

    def _restart(self, call_id: str, epoch: int) -> bytes:
        return data_frame("restart", {"run_id": self.run_id, "call_id": call_id, "epoch": epoch})
