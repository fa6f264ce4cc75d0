"""Where Agno has PostgreSQL."""

from actalog.db import AsyncPostgresDb, PostgresDb

__all__ = ["AsyncPostgresDb", "PostgresDb"]
