"""`actalog` and `python -m actalog`."""

import io
import sys


def main() -> None:
    """Run the command line."""
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
