"""Messages, topics, metrics and modules that the documentation names are there."""

import importlib.util
import re
from pathlib import Path

import pytest

from actalog_contracts import topics
from actalog_core import metrics
from tests.unit.docs.pages import NAMES, PAGES, ROOT, spans

SCHEMAS = ROOT / "contracts/actalog_contracts/published/schemas"
TYPES = {path.stem for path in SCHEMAS.glob("*.json")}
TOPICS = {topics.full_name(one) for one in topics.TOPICS} | {
    topics.dlq_name(one) for one in topics.TOPICS if one.dead_letters
}
SERIES = ("_total", "_seconds", "_depth", "_clients", "hearing", "_ready")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_message_is_one_of_the_contracts(page: Path):
    named = set(re.findall(r"\b[a-z]+(?:\.[a-z_]+)+\.v\d+\b", page.read_text()))
    assert named - TYPES == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_topic_or_module_is_there(page: Path):
    for span in spans(page):
        if not re.fullmatch(r"actalog\.[a-z_.]+", span) or span in TOPICS:
            continue
        assert importlib.util.find_spec(span), span


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_metric_is_in_the_table(page: Path):
    named = {one for one in spans(page) if one.startswith("actalog_") and one.endswith(SERIES)}
    assert named - set(metrics.names()) == set()
