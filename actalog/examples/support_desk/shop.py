"""The shop's data: a SQLite file that is made from `shop.sql` on first use."""

import os
import sqlite3
import tempfile
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

from actalog.examples import support_desk


def database() -> Path:
    """The file, in `ACTALOG_HOME` (else in the temporary folder); made when it is not there."""
    home = os.environ.get("ACTALOG_HOME")
    folder = Path(home) if home else Path(tempfile.gettempdir()) / f"actalog-{os.getuid()}"
    path = folder / "support_desk.sqlite"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make(path)
    return path


def query(sql: str, *values: object) -> list[dict[str, Any]]:
    """The rows of a question, each by its columns' names."""
    with closing(sqlite3.connect(database())) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, values)]


def write(sql: str, *values: object) -> None:
    """Change the data."""
    with closing(sqlite3.connect(database())) as connection, connection:
        connection.execute(sql, values)


def euros(cents: int) -> str:
    """A price for a person."""
    return f"{cents // 100}.{cents % 100:02} EUR"


def _make(path: Path) -> None:
    """Made beside and renamed, so that two processes that start at once see a whole file."""
    script = resources.files(support_desk).joinpath("shop.sql").read_text(encoding="utf-8")
    handle, made = tempfile.mkstemp(dir=path.parent, suffix=".sqlite")
    os.close(handle)
    with closing(sqlite3.connect(made)) as connection, connection:
        connection.executescript(script)
    Path(made).replace(path)
