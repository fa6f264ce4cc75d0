"""Ports for servers of this machine."""

import errno
import socket

from actalog_bus.processes import free_port
from actalog_core.listening import refused


def usable_port(host: str, port: int, *, wanted: str | None) -> int:
    """`port`, or a free one where it is 0, or taken and nobody asked for it.

    Raises:
        SettingMissing: it is taken, and `wanted` names the setting that asks for it.
    """
    if port == 0:
        return free_port()  # and not 0: others are told where the gateway is
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if wanted is None and error.errno == errno.EADDRINUSE:
                return free_port()
            raise refused(error, host, port, wanted=wanted or "ACTALOG_PORT") from error
    return port
