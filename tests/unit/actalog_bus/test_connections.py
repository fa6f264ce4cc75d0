"""A connection whose transport is closed is a broken connection, on uvloop as well."""

import asyncio
import socket
from typing import Any, cast

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from actalog_bus.connections import mend


async def send_on_a_closed_transport() -> None:
    """What a reset leaves, before the connection's reader has noticed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        _, writer = await asyncio.open_connection(host, port)
        connection: Any = AIOKafkaConnection(host, port)
        connection._versions = {MetadataRequest.API_KEY: (0, 0)}
        connection._writer = writer
        connection._read_task = asyncio.create_task(asyncio.sleep(60))
        connection._closed_fut = asyncio.get_running_loop().create_future()
        writer.transport.abort()
        await asyncio.sleep(0.01)
        try:
            await connection.send(cast(Any, MetadataRequest)([]))
        finally:
            assert not connection.connected()
            connection._closed_fut.cancel()


def test_a_write_to_a_closed_transport_breaks_the_connection_and_not_its_task():
    mend()
    mend()  # once is enough, and twice is not too much
    with pytest.raises(KafkaConnectionError):
        uvloop.run(send_on_a_closed_transport())
