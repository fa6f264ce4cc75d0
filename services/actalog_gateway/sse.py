"""Server-sent events: frames that no content can break, ids that only we can make."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BrokenBase64
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from actalog_core import metrics
from actalog_gateway.problems import Problem

HEARTBEAT_S = 10.0  # proxies close what is silent for 15 to 30 s
SEND_TIMEOUT_S = 20.0  # a client that takes nothing for so long is gone
# JSON may hold these as they are, and many clients end a line at them.
_LINES = {ord(one): f"\\u{ord(one):04x}" for one in "\x7f\x85\u2028\u2029\ufeff"}


def frame(event: str, json: str | bytes, *, id: str | None = None) -> bytes:
    """One event; `json` is compact JSON, so it has no line ends of its own."""
    text = json if isinstance(json, str) else json.decode()
    if not text.isascii() or "\x7f" in text:
        text = text.translate(_LINES)
    told = f"id: {id}\n" if id else ""
    return f"event: {event}\n{told}data: {text}\n\n".encode()


def data_frame(event: str, content: dict[str, Any]) -> bytes:
    """An event of plain data."""
    return frame(event, orjson.dumps(content))


class Ids:
    """Opaque ids of events: seq, run, and a seal under the installation's key."""

    def __init__(self, key: bytes, tenant_id: str, run_id: str) -> None:
        self._key = key
        self._run = self._mac(b"run", orjson.dumps([tenant_id, run_id]))

    def of(self, seq: int) -> str:
        told = seq.to_bytes(6, "big") + self._run
        return urlsafe_b64encode(told + self._mac(b"id", told)).rstrip(b"=").decode()

    def seq(self, text: str) -> int:
        """The seq that an id names.

        Raises:
            Problem: 400 for what we did not make, 404 for an id of another run.
        """
        try:
            told = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (BrokenBase64, ValueError) as error:
            raise self._forged() from error
        whole, seal = told[:14], told[14:]
        if len(told) != 22 or not hmac.compare_digest(seal, self._mac(b"id", whole)):
            raise self._forged()
        if whole[6:] != self._run:
            raise Problem("not_found", "the event is of another run", field="Last-Event-ID")
        return int.from_bytes(whole[:6], "big")

    def _mac(self, what: bytes, told: bytes) -> bytes:
        return hmac.digest(self._key, what + b"\x00" + told, sha256)[:8]

    def _forged(self) -> Problem:
        return Problem("bad_input", "no such event id", field="Last-Event-ID")


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="heartbeat", sep="\n")


class Stream(EventSourceResponse):
    """A stream of ready frames, with a heartbeat while nothing happens."""

    def __init__(
        self, frames: AsyncIterator[bytes], *, heartbeat_s: float = HEARTBEAT_S,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:  # fmt: skip
        super().__init__(
            frames, sep="\n", ping=heartbeat_s, ping_message_factory=_heartbeat,
            send_timeout=send_timeout_s, headers={"Cache-Control": "no-store"},
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A client that takes nothing any more is dropped."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            metrics.SSE_DROPPED.inc()
