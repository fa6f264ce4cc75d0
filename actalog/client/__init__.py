"""A platform from Python: submit tasks, read streams and results, answer, cancel.

Hears: actalog.results, actalog.events, actalog.stream; or SSE of the gateway.
Says:  actalog.tasks; or HTTP to the gateway.
Owns:  nothing.
"""

from actalog.client.client import Client
from actalog.client.transport import Refused, Told

__all__ = ["Client", "Refused", "Told"]
