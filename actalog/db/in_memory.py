"""Where Agno has memory."""

from actalog.db import InMemoryDb

__all__ = ["InMemoryDb"]
