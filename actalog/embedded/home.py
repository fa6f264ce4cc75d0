"""The folder that ACTALOG_HOME names."""

import contextlib
import os
import stat
from pathlib import Path

from actalog_core.errors import SettingMissing


def _mode() -> int:
    """For its user alone. Of root's, the server's user gets as far as its own folder."""
    return 0o711 if os.name == "posix" and os.geteuid() == 0 else 0o700


def made(home: Path) -> Path:
    """It, made where there is none.

    Raises:
        SettingMissing: there can be none.
    """
    try:
        home.mkdir(_mode(), parents=True, exist_ok=True)
    except OSError as error:
        raise SettingMissing(f"ACTALOG_HOME {home.absolute()}: {error.strerror}.") from error
    return home


def ours(folder: Path) -> None:
    """Make a folder where everybody may make one. In somebody else's, what we write could lead
    anywhere.

    Raises:
        SettingMissing: it is there, and not ours alone.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o711)
    found = folder.lstat()
    foreign = found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if foreign or not stat.S_ISDIR(found.st_mode):
        raise SettingMissing(
            f"{folder} is somebody else's: remove it, or set ACTALOG_HOME to a folder that everybody"
            " may reach."
        )
