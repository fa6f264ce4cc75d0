"""The tables say what the suites wrote, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos import table


def line(fault: str, **more: Any) -> dict[str, Any]:
    return {
        "suite": "chaos", "fault": fault, "injected": 1, "in_flight": 20, "runs": 100, "lost": 0,
        "repeated_effects": 0, "in_doubt": 1, "recovery_s": [], **more,
    }  # fmt: skip


def test_lines_of_one_fault_are_summed_with_percentiles_of_all_waits():
    lines = [
        line("llm killed", recovery_s=[float(n) for n in range(1, 96)]),
        line("llm killed", recovery_s=[96.0, 97.0, 98.0, 99.0, 100.0], away_s=[3.0]),
        line("tools killed", lost=2),
        {"suite": "goodput", "name": "healthy", "runs_per_s": 10.0},
        {"suite": "goodput", "name": "mixed", "runs_per_s": 6.0},
        line("conductor: as it decides", suite="cells", cell="conductor-d-log.append-1"),
        line("conductor: as it tells", suite="cells", cell="conductor-e-told-1", lost=1),
    ]
    told = table.rendered(lines)
    assert "| llm killed | 2 | 40 | 0 | 0 | 2 | 50.0 s | 95.0 s | 100.0 s | 3.0 s |" in told
    assert "| tools killed | 1 | 20 | 2 | 0 | 1 |  |  |  |" in told
    assert "| **together** | 3 | 60 | 2 | 0 | 3 |" in told
    assert "| mixed | 6.0 | 60 % |" in told
    assert "| conductor | 2 | 40 | 1 | 0 | 2 |" in told
    assert "| conductor | 1 | 1 |" in told


def test_only_what_is_between_the_markers_is_replaced(tmp_path: Path):
    document = tmp_path / "page.md"
    document.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for _ in range(2):
        table.put(document, [line("llm killed")])
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("llm killed") == 1
    document.write_text("no markers")
    with pytest.raises(ValueError, match="no place"):
        table.put(document, [])


def test_the_page_has_a_place_for_the_tables(tmp_path: Path):
    page = Path(__file__).parents[2] / "docs" / "reliability.md"
    copy = tmp_path / "page.md"
    copy.write_text(page.read_text())
    table.put(copy, [line("nobody killed")])
    assert "| nobody killed | 1 |" in copy.read_text()
