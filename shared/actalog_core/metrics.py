"""Every metric of the platform, in one table. `/metrics` shows them all.

Labels are of few values: no run, session or user id ever becomes one.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry(auto_describe=True)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FAST_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)


def _counter(name: str, told: str, *labels: str) -> Counter:
    return Counter(f"actalog_{name}", told, labels, registry=REGISTRY)


def _histogram(
    name: str, told: str, *labels: str, buckets: tuple[float, ...] = FAST_S
) -> Histogram:
    return Histogram(f"actalog_{name}", told, labels, registry=REGISTRY, buckets=buckets)


def _gauge(name: str, told: str, *labels: str) -> Gauge:
    return Gauge(f"actalog_{name}", told, labels, registry=REGISTRY)


# The bus, seen from every service.
PUBLISHED = _counter("published", "Records that the broker acknowledged.", "topic", "type")
PUBLISH_SECONDS = _histogram(
    "publish_seconds", "From publishing to the acknowledgement, of what goes together.", "topic"
)
HEARD = _counter("heard", "Records heard to the end.", "group")
HEARING_SECONDS = _histogram(
    "hearing_seconds", "How long a record was heard.", "group", buckets=SLOW_S
)
HEARING = _gauge("hearing", "Records being heard now.", "group")
LAG = _gauge(
    "lag", "Records of the partitions that a process has which are not heard to the end.",
    "group", "topic",
)  # fmt: skip
HEARING_FAILED = _counter(
    "hearing_failed", "Hearings that failed: transient (again), permanent (dead letter), unexpected.",
    "group", "kind",
)  # fmt: skip
DEAD_LETTERS = _counter(
    "dead_letters", "Records that were given up: refused, permanent, unexpected, killed; dropped"
    " where nobody needs them.", "topic", "reason",
)  # fmt: skip
REDRIVEN = _counter("redriven", "Dead letters that were sent again and heard again.", "group")

# Runs and what they ask for, as the events and results say that pass over the bus.
RUNS_ACCEPTED = _counter("runs_accepted", "Runs that were accepted.")
RUNS_ENDED = _counter("runs_ended", "Runs that ended, by the event that ended them.", "how")
RUNS_PAUSED = _counter("runs_paused", "Runs that paused for a person.")
REFUSED = _counter("refused", "Messages from outside that were refused.")
MODEL_CALLS = _counter("model_calls", "Model calls that were answered.", "outcome")
TOOL_CALLS = _counter("tool_calls", "Tool calls that were answered.", "outcome")
CHECKS = _counter("checks", "Guardrail checks that were answered.", "stage")

# What single services add.
MODEL_SECONDS = _histogram(
    "model_seconds", "A model call, all attempts.", "provider", "model", buckets=SLOW_S
)
FIRST_TOKEN_SECONDS = _histogram(
    "first_token_seconds", "From a request to its first token.", "provider", "model",
    buckets=SLOW_S,
)  # fmt: skip
MODEL_TOKENS = _counter("model_tokens", "Tokens, input or output.", "provider", "model", "kind")
MODEL_RETRIES = _counter("model_retries", "Attempts that failed, by kind.", "provider", "kind")
TOOL_SECONDS = _histogram("tool_seconds", "A tool call.", buckets=SLOW_S)
ISOLATED_WORKERS = _gauge("isolated_workers", "Processes for isolated tools that are alive.")
ISOLATED_KILLED = _counter(
    "isolated_killed", "Processes of isolated tools that ended, by reason: timeout, cancelled, died, memory,"
    " left (it left processes or threads behind), garbage, stopped.", "reason",
)  # fmt: skip
APPEND_SECONDS = _histogram("append_seconds", "A decision, from asking to its commit.")
WAKES = _counter("wakes", "Runs that the supervisor woke.")
MEMORIES_BEHIND_SECONDS = _gauge(
    "memories_behind_seconds", "How long ago the oldest thing was logged that is to be remembered and"
    " that nobody reads yet; 0 when there is none.",
)  # fmt: skip
SSE_CLIENTS = _gauge("sse_clients", "Clients that follow a stream now.")
SSE_DROPPED = _counter("sse_dropped", "Clients dropped because they read too slowly.")
INBOX_DEPTH = _gauge("inbox_depth", "Accepted messages that wait to be decided.")
READY = _gauge("ready", "1 when the service is ready.", "service")

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


def names() -> list[str]:
    """The names in the table, as Prometheus shows them (counters end with _total)."""
    found: list[str] = []
    for family in REGISTRY.collect():
        if family.name.startswith("actalog_"):
            found.append(family.name + ("_total" if family.type == "counter" else ""))
    return found
