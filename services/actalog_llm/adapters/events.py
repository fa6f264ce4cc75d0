"""Server-sent events of a model's answer, as parsed JSON (WHATWG HTML, section 9.2).

The SDKs send the request and judge its status; the body is framed here, because their way through
a stream costs more than the rest of the call: several objects and generators for each chunk.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import httpx2
import orjson

from actalog_llm.whole import TOO_DEEP, Broken

MOST_BYTES = 32_000_000  # of one event; a server that never ends a line must not fill the memory
MOST_OF_STREAM = 256_000_000  # of all events: more tokens than models write, each in an event
OF_LINE = 64  # bytes that a line counts for besides its own: reading an empty one costs no less
LARGE = 65_536  # bytes that are framed at once: more would hold the loop up
Event = tuple[str, bytes]  # its name, and its data
SPACE = b" \t\r\n\xef\xbb\xbf"  # and a byte order mark
_LONG = re.compile(rb"[0-9]{19}")
COMMENT: Event = (":", b"")  # no event's name has a colon


class Frames:
    """Bytes to events, however they are cut."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of a line that has not ended
        self._size = 0  # of the event that has not ended
        self._all = 0
        self._name, self._data = "", list[bytes]()
        self._half_break = False  # a carriage return came last: a line feed belongs to it
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that end within `data`, and a `COMMENT` for each comment.

        Raises:
            Broken: an event, or all of them, are larger or have more lines than anything sensible.
        """
        if self._half_break and data[:1] == b"\n":
            data = data[1:]
        if data:
            self._half_break = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._size += len(data)
        self._all += len(data) + OF_LINE * data.count(b"\n")
        if self._size > MOST_BYTES:
            raise Broken("malformed", f"an event of the stream is over {MOST_BYTES} bytes")
        if self._all > MOST_OF_STREAM:
            said = f"the stream is over {MOST_OF_STREAM} bytes, of which each line counts {OF_LINE}"
            raise Broken("malformed", said)
        if b"\n" not in data:
            self._parts.append(data)
            return []
        lines = (b"".join(self._parts) + data).split(b"\n")
        self._parts = [lines.pop()]
        return [event for line in lines if (event := self._line(line)) is not None]

    def end(self) -> list[Event]:
        """What servers left without its blank line."""
        last = [self._line(b"".join(self._parts)), self._line(b"")]
        self._parts = []
        return [event for event in last if event is not None]

    def _line(self, line: bytes) -> Event | None:
        if not self._begun:  # a byte order mark comes in pieces, too
            self._begun, line = True, line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._ended()
        name, _, value = line.partition(b":")
        if not name:
            return COMMENT  # ": OPENROUTER PROCESSING", ": keep-alive"
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _ended(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        return (name, b"\n".join(data)) if data or name else None


def parsed(data: bytes) -> Any:
    """JSON of a provider. What orjson refuses (NaN, half a pair of surrogates) Python may take, and
    it rounds no integer of a call's arguments, which some servers give as an object.

    Raises:
        Broken, json.JSONDecodeError, UnicodeDecodeError: it is too deep, or none.
    """
    given = b'"arguments"' in data or b'"input"' in data
    if not (given and _LONG.search(data)):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(data)
    except RecursionError:
        raise Broken("malformed", TOO_DEEP) from None


async def peeked(response: httpx2.Response) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first byte of a body that is no white space, empty where there is none, and the body from
    the piece that has it.

    Raises:
        Broken: more white space is before it than anything sensible.
    """
    pieces, head, blank = aiter(_pieces(response)), b"", 0
    async for head in pieces:
        if head.strip(SPACE):
            break
        blank += len(head)
        if blank > MOST_BYTES:
            raise Broken("malformed", f"the answer begins with over {MOST_BYTES} bytes of nothing")

    async def body() -> AsyncIterator[bytes]:
        yield head
        async for piece in pieces:
            yield piece

    return head.strip(SPACE)[:1], body()


async def document(body: AsyncIterable[bytes]) -> Any:
    """The JSON of a body that is no stream.

    Raises:
        Broken, json.JSONDecodeError, UnicodeDecodeError: it is too large, or none.
    """
    read = bytearray()
    async for piece in body:
        read += piece
        if len(read) > MOST_BYTES:
            raise Broken("malformed", f"the answer is over {MOST_BYTES} bytes")
    return parsed(bytes(read))


async def content_type(response: httpx2.Response) -> str:
    """Without its parameters. Many servers name none, or another one than that of streams.

    Raises:
        Broken: it is a page for people; the response is closed.
    """
    told = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if told == "text/html":
        await response.aclose()
        url = response.request.url
        where = f"{url.scheme}://{url.netloc.decode()}{url.path}"
        raise Broken("malformed", f"{where} answered with a page: is it the address of an API?")
    return told


def _pieces(response: httpx2.Response) -> AsyncIterable[bytes]:
    """What has come of the body. Where nothing is to be decoded it is taken from the connection
    itself: httpx2's ways through it are a generator more for each piece."""
    stream = response.stream
    if "content-encoding" in response.headers or not isinstance(stream, AsyncIterable):
        return response.aiter_bytes()
    return stream


async def events(
    response: httpx2.Response, body: AsyncIterable[bytes] | None = None
) -> AsyncIterator[Event]:
    """The events of a response, of which `body` may have begun to be read. It is not closed here.

    Raises:
        Broken: see `Frames.feed`.
        httpx2.RequestError: the connection broke.
    """
    frames = Frames()
    async for piece in _pieces(response) if body is None else body:
        if len(piece) <= LARGE:
            for event in frames.feed(piece):
                yield event
            continue
        for at in range(0, len(piece), LARGE):  # as of what unpacks to a thousand times its size
            for event in frames.feed(piece[at : at + LARGE]):
                yield event
            await asyncio.sleep(0)
    for event in frames.end():
        yield event
