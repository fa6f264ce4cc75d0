"""The table of metrics: nothing in it is dead, and no label can grow without bound."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram

from actalog_core import metrics

ROOT = Path(__file__).parents[3]
TABLE = {
    name: one for name, one in vars(metrics).items() if isinstance(one, Counter | Gauge | Histogram)
}
SOURCES = "\n".join(
    path.read_text()
    for root in ("shared", "services", "actalog")
    for path in (ROOT / root).rglob("*.py")
    if path.name != "metrics.py"
)


@pytest.mark.parametrize("name", TABLE)
def test_a_metric_is_counted_where_it_happens(name: str):
    assert re.search(rf"\bmetrics\.{name}\b", SOURCES)


def _labels(one: Any) -> list[str]:
    return list(one._labelnames)


def test_labels_are_of_few_values():
    of_few = {
        "topic", "type", "group", "kind", "how", "outcome", "stage", "provider", "model", "service",
        "reason",
    }  # fmt: skip
    used: set[str] = {label for one in TABLE.values() for label in _labels(one)}
    assert used <= of_few


def test_every_name_is_ours_and_shown():
    shown = metrics.exposition().decode()
    assert len(metrics.names()) == len(TABLE)
    for name in metrics.names():
        assert name.startswith("actalog_")
        assert f"# HELP {name.removesuffix('_total')}" in shown or f"# HELP {name}" in shown
