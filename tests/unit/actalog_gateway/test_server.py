"""The address of the gateway."""

import socket

import pytest

from actalog_core.errors import SettingMissing
from actalog_gateway.server import HttpServer


async def test_a_port_that_was_taken_meanwhile_is_told_by_its_setting():
    async def app(*_: object) -> None: ...

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = HttpServer(app, host="127.0.0.1", port=port, closing=lambda: None)
        with pytest.raises(SettingMissing, match=f"ACTALOG_PORT: port {port} is taken"):
            await server.start()
