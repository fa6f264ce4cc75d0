"""Where Agno has its databases. Here the platform keeps everything in its own log: the classes are
there so that an import can be changed, and an Agent that is given one says what does its work."""


class ReplacedDb:
    """Keeps nothing. ACTALOG_DATABASE_URL names the platform's database."""

    def __init__(self, *args: object, **given: object) -> None:
        self.args, self.given = args, given


class SqliteDb(ReplacedDb):
    """Agno's SQLite."""


class PostgresDb(ReplacedDb):
    """Agno's PostgreSQL."""


class AsyncPostgresDb(ReplacedDb):
    """Agno's PostgreSQL, async."""


class InMemoryDb(ReplacedDb):
    """Agno's memory."""


__all__ = ["AsyncPostgresDb", "InMemoryDb", "PostgresDb", "ReplacedDb", "SqliteDb"]
