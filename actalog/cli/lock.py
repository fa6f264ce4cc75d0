"""One platform per home. The lock goes with its process, however that ends."""

import os
from pathlib import Path

from actalog.embedded.home import made
from actalog_core.errors import SettingMissing


class HomeLock:
    """Held while `actalog up` runs."""

    def __init__(self, home: str) -> None:
        self._path = Path(home) / "up.lock"
        self._file: int | None = None

    def take(self) -> None:
        """Take it; the home is made where there is none.

        Raises:
            SettingMissing: another platform runs in this home, or nothing can be kept there.
        """
        try:
            made(self._path.parent)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            home = self._path.parent.absolute()
            raise SettingMissing(f"ACTALOG_HOME {home}: {error.strerror}.") from error
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such thing on Windows
            pass
        except OSError as error:
            os.close(file)
            raise SettingMissing(
                f"a platform runs in {self._path.parent.absolute()} already; stop it, or set"
                " ACTALOG_HOME to another folder."
            ) from error
        self._file = file

    def release(self) -> None:
        """Give it back."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
