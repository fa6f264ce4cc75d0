"""Reference pages are what the code says."""

from pathlib import Path

import pytest

from actalog_core.settings import MAPPINGS, Settings
from docs import generate
from docs.generate.settings import described


def test_the_generated_pages_are_up_to_date():
    assert generate.differing() == [], "run `make contracts`"


def test_a_page_that_differs_is_named_and_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    assert generate.differing() == [*generate.PAGES]
    assert generate.write() == [*generate.PAGES]
    (tmp_path / "cli.md").write_text("other")
    assert generate.differing() == ["cli.md"]
    assert generate.write() == ["cli.md"]
    assert generate.differing() == []


def test_every_setting_says_what_it_does():
    assert set(described()) >= set(Settings.model_fields) - set(MAPPINGS)
