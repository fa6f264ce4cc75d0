"""One fault of aiokafka, mended where it is: what it takes for a broken connection.

It does so with an OSError of a write. uvloop raises RuntimeError where the transport is closed
already and nobody has noticed: then the task that fetches dies of it, and its consumer is deaf
for the rest of the process's life.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

Send = Callable[..., Any]


def mended(send: Send) -> Send:
    """`AIOKafkaConnection.send`, which takes a closed transport for a broken connection."""

    @wraps(send)
    def sent(connection: AIOKafkaConnection, request: object, expect_response: bool = True) -> Any:
        try:
            return send(connection, request, expect_response)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"{connection} is closed: {error}") from error

    return sent


def mend() -> None:
    """For every client of this process, once."""
    library: Any = AIOKafkaConnection
    if not hasattr(library.send, "__wrapped__"):
        library.send = mended(library.send)
