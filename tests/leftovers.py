"""What tests leave outside their own folders: as root, PostgreSQL's data moves out of a folder that
`nobody` may not reach, and pytest's are such."""

import shutil
import tempfile
from pathlib import Path

from actalog.embedded.postgres import WHOSE


def remove_moved(below: Path) -> list[Path]:
    """Remove the data of homes in pytest's folders that are gone, or are below `below`, whose
    tests have ended. What was removed."""
    of_pytest = Path(tempfile.gettempdir()) / "pytest-of-"
    removed: list[Path] = []
    for note in Path(tempfile.gettempdir()).glob(f"actalog-*/{WHOSE}"):
        try:
            home = Path(note.read_text().strip())
        except OSError:  # no note, or another session was quicker
            continue
        if not str(home).startswith(str(of_pytest)):
            continue
        if below in home.parents or not home.exists():
            shutil.rmtree(note.parent, ignore_errors=True)
            removed.append(note.parent)
    return removed
