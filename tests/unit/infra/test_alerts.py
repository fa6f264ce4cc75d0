"""infra/prometheus: alerts are about metrics that exist, and each is explained."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from actalog.names import NAMES
from actalog_core import metrics

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "infra" / "prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0][
    "rules"
]
ALERTS = {rule["alert"]: rule for rule in RULES}
COLLECTORS = cast("dict[str, Any]", metrics.REGISTRY._names_to_collectors)
LABELS: dict[str, set[str]] = {
    name: set(one._labelnames) for name, one in COLLECTORS.items() if hasattr(one, "_labelnames")
}
OF_A_TARGET = {"job", "service", "instance", "le"}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_metrics_and_labels_that_exist(name: str):
    expr: str = ALERTS[name]["expr"]
    asked = re.findall(r"\b(actalog_\w+)(?:\{([^}]*)\})?", expr)
    assert asked or "up{" in expr
    for metric, matchers in asked:
        assert metric in LABELS, metric
        told = set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", matchers))
        assert told <= LABELS[metric] | OF_A_TARGET, (metric, told)
    known = set[str]().union(OF_A_TARGET, *(LABELS[metric] for metric, _ in asked))
    grouped = ",".join(re.findall(r"\bby \(([^)]*)\)", expr))
    assert {one.strip() for one in grouped.split(",") if one.strip()} <= known


def test_every_service_is_missed_when_it_is_gone():
    told = re.findall(r'"service", "(\w+)"', ALERTS["ActalogServiceGone"]["expr"])
    assert sorted(told) == sorted(NAMES)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_explained_where_people_on_call_look(name: str):
    page = (ROOT / "docs" / "how-to" / "operating.md").read_text()
    assert f"`{name}`" in page
    assert ALERTS[name]["labels"]["severity"] in ("warning", "critical")
    assert ALERTS[name]["annotations"]["summary"]


def test_prometheus_reads_them_in_compose():
    asked = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounted = [one.split(":")[1] for one in compose["services"]["prometheus"]["volumes"]]
    assert asked == ["/etc/prometheus/alerts.yml"]
    assert asked[0] in mounted


def test_they_tell_what_they_should_and_are_silent_else():
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool, a part of Prometheus, is not installed")
    rules = Path(__file__).parent / "alerts_test.yml"
    done = subprocess.run(
        [tool, "test", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
