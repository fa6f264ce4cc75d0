"""What `actalog up` says when it is up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actalog.cli.assembling import Assembly
    from actalog.cli.servers import Servers


def greeting(
    *, http: str, servers: "Servers", assembly: "Assembly", app: str, took_s: float
) -> Iterator[str]:
    """Line by line: addresses, what answers as a model, what is served."""
    embedded = " (embedded, in memory)" if servers.embedded else ""
    yield f"actalog is up after {took_s:.1f} s"
    yield f"  http      {http}"
    yield f"  kafka     {servers.kafka.bootstrap}{embedded}"
    yield f"  database  {without_password(servers.dsn)}"
    if assembly.scripted is not None:
        yield "  models    scripted: set OPENAI_API_KEY or ANTHROPIC_API_KEY for real answers"
    targets = ", ".join(f"agent:{one.id}" for one in assembly.definitions)
    yield f"  app       {app}: {targets}"
    yield ""


def without_password(dsn: str) -> str:
    """A DSN that may be shown."""
    import re
    from urllib.parse import urlsplit

    parts = urlsplit(dsn)
    if parts.password:
        dsn = dsn.replace(f":{parts.password}@", ":***@", 1)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", dsn)
