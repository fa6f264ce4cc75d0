"""Markdown tables."""

from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by `make contracts` from the code. Change the code, not this page. -->"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar within a cell is escaped, line ends become spaces."""
    lines = [_row(titles), _row(["---"] * len(titles)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    told = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(told)} |"


def code(text: object) -> str:
    """Text as code; nothing where there is none."""
    return f"`{text}`" if text not in (None, "") else ""


def page(title: str, about: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", NOTE, about, *parts]) + "\n"
