"""Server-sent events: frames that no content can break, ids that only we can make."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BrokenBase64
from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from actalog_gateway.paths import HEAD_ONLY
from actalog_gateway.problems import Problem
from actalog_gateway.streaming import HAND_OVER

# Proxies keep nothing back; a stream ends with its connection.
HEADERS = {"Cache-Control": "no-store", "Connection": "close", "X-Accel-Buffering": "no"}
# JSON may hold these as they are, and many clients end a line at them.
_LINES = {ord(one): f"\\u{ord(one):04x}" for one in "\x7f\x85\u2028\u2029\ufeff"}


def frame(event: str, data: str | bytes, *, id: str | None = None) -> bytes:
    """One event; `data` is compact JSON, so it has no line ends of its own."""
    text = data if isinstance(data, str) else data.decode()
    if not text.isascii() or "\x7f" in text:
        text = text.translate(_LINES)
    told = f"id: {id}\n" if id else ""
    return f"event: {event}\n{told}data: {text}\n\n".encode()


def data_frame(event: str, content: dict[str, Any]) -> bytes:
    """An event of plain data."""
    try:
        told = orjson.dumps(content)
    except orjson.JSONEncodeError:  # a session's state may have integers beyond 64 bits
        told = json.dumps(content, separators=(",", ":")).encode()
    return frame(event, told)


class Ids:
    """Opaque ids of events: seq, run, and a seal under the installation's key."""

    __slots__ = ("_key", "_run")

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
        if not hmac.compare_digest(seal, self._mac(b"id", whole)):
            raise self._forged()
        if whole[6:] != self._run:
            raise Problem("not_found", "the event is of another run")
        seq = int.from_bytes(whole[:6], "big")
        if text != self.of(seq):  # base64 passes over what is none
            raise self._forged()
        return seq

    def _mac(self, what: bytes, told: bytes) -> bytes:
        return hmac.digest(self._key, what + b"\x00" + told, sha256)[:8]

    def _forged(self) -> Problem:
        return Problem("bad_input", "no such event id")


class Stream(Response):
    """A stream of ready frames. The server writes them (`streaming`)."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self.frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        if scope.get(HEAD_ONLY):
            await self.frames.aclose()
            await send({"type": "http.response.body", "body": b""})
            return
        scope["extensions"][HAND_OVER](self.frames)
