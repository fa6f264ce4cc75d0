"""What the documentation points to is there."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import NAMES, PAGES, ROOT, anchors, prose, spans

LINK = re.compile(r"\]\(([^)\s]+)\)")
A_FILE = re.compile(r"[\w.\-]+(/[\w.\-]+)+/?|[\w\-]+/|[\w\-]+\.(?:md|toml|yml|lock)")
PACKAGES = sorted(
    path.name
    for root in ("contracts", "shared", "services")
    for path in (ROOT / root).iterdir()
    if path.name.startswith("actalog_")
)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_link_leads_somewhere(page: Path):
    for link in LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "README.md", "GLOSSARY.md", "CONTRIBUTING.md"])
def test_a_file_that_is_named_exists(name: str):
    for span in spans(ROOT / name):
        if A_FILE.fullmatch(span) and not span.startswith(".venv"):
            assert (ROOT / span).exists(), span


def test_the_architecture_names_every_package():
    told = (ROOT / "ARCHITECTURE.md").read_text()
    assert [name for name in PACKAGES if name not in told] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_is_linked_from_another(page: Path):
    linked = {
        (other.parent / link.partition("#")[0]).resolve()
        for other in PAGES
        if other != page
        for link in LINK.findall(prose(other))
    }
    assert page == ROOT / "README.md" or page in linked
