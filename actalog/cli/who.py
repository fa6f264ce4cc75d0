"""Who types."""

import getpass


def me() -> str:
    """The user of this machine; `operator` where it has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry, no variable: containers
        return "operator"
