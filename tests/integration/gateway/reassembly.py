"""What a client makes of a stream that was cut: by the rules that it is promised (protocol 8)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.integration.gateway.world import Frame


def parse(raw: bytes) -> list[Frame]:
    """The events of a stream, by the standard's rules: CR, LF and CRLF end a line and nothing else
    does; what has no blank line behind it was never sent."""
    event, id, data = "", "", list[str]()
    told: list[Frame] = []
    for line in _lines(raw):
        if not line:
            if data:
                told.append(Frame(event, id, orjson.loads("\n".join(data))))
            event, id, data = "", "", []
            continue
        if line.startswith(":"):
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                event = value
            case "id":
                id = value
            case "data":
                data.append(value)
            case "retry":
                assert value.isdecimal(), line
            case _:
                raise AssertionError(f"a line that no server may send: {line!r}")
    return told


def _lines(raw: bytes) -> Iterator[str]:
    """Lines that have ended; a CR at the very end may be half of a CRLF, and ends its line."""
    text = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, _ = text.split(b"\n")
    for line in lines:
        yield line.decode()


@dataclass
class Reader:
    """One client over all its connections."""

    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    last: str = ""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    thoughts: dict[str, str] = field(default_factory=dict[str, str])
    restarts: int = 0
    deltas: int = 0
    _epochs: dict[str, int] = field(default_factory=dict[str, int])
    _followed: set[str] = field(default_factory=set[str])  # from their start, on this connection

    @property
    def seqs(self) -> list[int]:
        return [one["seq"] for one in self.events]

    @property
    def headers(self) -> dict[str, str]:
        return {"Last-Event-ID": self.last} if self.last else {}

    def cut(self) -> None:
        """The connection is gone. What was open is sent again from its start, or comes whole."""
        self._followed.clear()

    def take(self, frame: Frame) -> None:
        """One event, which must follow from what came before."""
        said = frame.data
        match frame.event:
            case "restart":
                self.restarts += 1
                self._begin(said)
            case "delta":
                self._delta(said)
            case "progress":
                return
            case _:
                self._event(frame)

    def _begin(self, said: dict[str, Any]) -> None:
        call_id = said["call_id"]
        self.texts[call_id] = self.thoughts[call_id] = ""
        self._epochs[call_id] = said["epoch"]
        self._followed.add(call_id)

    def _delta(self, said: dict[str, Any]) -> None:
        """Nothing is spliced: it is of the attempt that is shown, and begins where that ends."""
        self.deltas += 1
        call_id = said["call_id"]
        if call_id not in self._epochs:
            self._begin(said)
        assert call_id in self._followed, f"no restart before what is sent again: {said}"
        assert said["epoch"] == self._epochs[call_id], said
        shown = self.texts if said["kind"] == "text" else self.thoughts
        assert said["offset"] == len(shown[call_id]), (said, shown[call_id])
        shown[call_id] += said["text"]

    def _event(self, frame: Frame) -> None:
        assert frame.id, f"a whole event without an id: {frame.event}"
        assert frame.event == frame.data["type"]
        self.events.append(frame.data)
        self.last = frame.id
        if frame.event == "model.replied.v1":
            payload = frame.data["payload"]
            call_id, text = payload["call_id"], payload.get("text") or ""
            if call_id in self._followed:
                assert self.texts[call_id] == text
            self.texts[call_id] = text
