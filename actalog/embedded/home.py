"""The folder that ACTALOG_HOME names."""

from pathlib import Path

from actalog_core.errors import SettingMissing


def made(home: Path) -> Path:
    """It, made where there is none.

    Raises:
        SettingMissing: there can be none.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingMissing(f"ACTALOG_HOME {home.absolute()}: {error.strerror}.") from error
    return home
