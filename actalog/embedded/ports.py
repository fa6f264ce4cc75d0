"""Ports for servers of this machine."""

import errno
import socket

from actalog_bus.processes import free_port
from actalog_core.errors import SettingMissing


def usable_port(host: str, port: int, *, wanted: str | None) -> int:
    """`port`, or a free one where it is taken and nobody asked for it.

    Raises:
        SettingMissing: it is taken, and `wanted` names the setting that asks for it.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EACCES:  # below 1024
                told = f"{wanted or 'ACTALOG_PORT'}: port {port}: {error.strerror}."
                raise SettingMissing(told) from error
            if error.errno != errno.EADDRINUSE:
                raise SettingMissing(f"ACTALOG_HOST {host}: {error.strerror}.") from error
            if wanted is None:
                return free_port()
            raise SettingMissing(f"{wanted}: port {port} is taken.") from error
    return port
