"""What the service and its workers say to each other: JSON behind its length (4 bytes, big end
first) on a socket that is neither standard output nor standard error."""

import asyncio
import json
import socket
import struct
from typing import Any

HEAD = struct.Struct("!I")
READ = 65_536


class NoFrame(Exception):
    """What came is no frame, or one that is too long."""


def packed(said: dict[str, Any]) -> bytes:
    """A frame. Lone surrogates, which tools may return, travel escaped."""
    body = json.dumps(said).encode()
    return HEAD.pack(len(body)) + body


def send(sock: socket.socket, said: dict[str, Any]) -> None:
    """Send one, in the worker."""
    sock.sendall(packed(said))


def receive(sock: socket.socket) -> dict[str, Any] | None:
    """The next one, in the worker; None when the service has closed."""
    head = _exactly(sock, HEAD.size)
    return json.loads(_exactly(sock, *HEAD.unpack(head))) if head else None


def _exactly(sock: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = sock.recv(min(size, READ))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


async def read(reader: asyncio.StreamReader, *, most: int) -> dict[str, Any]:
    """The next one, in the service. Of one that is longer than `most` bytes nothing is read.

    Raises:
        NoFrame: see there.
        OSError, EOFError: the worker is gone.
    """
    (size,) = HEAD.unpack(await reader.readexactly(HEAD.size))
    if size > most:
        raise NoFrame(f"{size:,} bytes")
    try:
        said = json.loads(await reader.readexactly(size))
    except ValueError as error:
        raise NoFrame(str(error)) from error
    if not isinstance(said, dict):
        raise NoFrame(type(said).__name__)
    return said  # pyright: ignore[reportUnknownVariableType]
