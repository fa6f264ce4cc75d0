"""Where Agno has SQLite."""

from actalog.db import SqliteDb

__all__ = ["SqliteDb"]
