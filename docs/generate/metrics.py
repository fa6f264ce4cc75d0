"""From the table of metrics."""

from typing import cast

from prometheus_client import Counter, Gauge, Histogram

from actalog_core import metrics
from docs.generate.tables import code, page, table

ABOUT = """\
`/metrics` answers in Prometheus' text format: at the gateway's port, and at `ACTALOG_HEALTH_PORT` of every service
that runs alone. Labels have few values: no run, session or user id becomes one. The usual metrics of the process
(`process_*`), of Python and of its collector are there as well."""
KINDS: dict[type, str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


def written() -> str:
    """The page."""
    return page("Metrics", ABOUT, table(["metric", "kind", "labels", ""], _rows()))


def _rows() -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = []
    for one in vars(metrics).values():
        if isinstance(one, Counter | Gauge | Histogram):
            (family,) = one.describe()
            name = family.name + ("_total" if isinstance(one, Counter) else "")
            labels = ", ".join(map(code, cast(tuple[str, ...], one._labelnames)))
            found.append((code(name), KINDS[type(one)], labels, family.documentation))
    return found
