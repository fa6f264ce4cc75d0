"""`actalog` and `python -m actalog`."""

import io
import os
import sys


def _closed() -> None:
    """A standard stream that is closed (`>&-`) is one that keeps nothing. Its number would be given
    to the next thing that is opened, and the event loop ends the process over that."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # 0, 1, 2
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def main() -> None:
    """Run the command line."""
    _closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show ends no command
            stream.reconfigure(errors="replace")
    try:
        from actalog.cli.main import app

        app()
    except KeyboardInterrupt:  # while modules are imported: later each command ends in order
        sys.exit(130)


if __name__ == "__main__":
    main()
