"""An address that cannot be listened on, told by the setting that asks for it."""

import errno

from actalog_core.errors import SettingMissing


def refused(error: OSError, host: str, port: int, *, wanted: str) -> SettingMissing:
    """What to raise. `wanted` names the option or setting of the port."""
    match error.errno:
        case errno.EADDRINUSE:
            said = f"{wanted}: port {port} is taken."
        case errno.EACCES:  # below 1024
            said = f"{wanted}: port {port}: {error.strerror}."
        case _:
            said = f"ACTALOG_HOST {host}: {error.strerror}."
    return SettingMissing(said)
