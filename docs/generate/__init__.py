"""Reference pages that are written from the code: settings, command line, HTTP, metrics.

`python -m docs.generate` renews them, `python -m docs.generate check` says which differ.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generate import cli, http, metrics, settings

REFERENCE = Path(__file__).parents[1] / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings.written,
    "cli.md": cli.written,
    "http.md": http.written,
    "openapi.json": http.openapi,
    "metrics.md": metrics.written,
}


def differing() -> list[str]:
    """Pages that are not what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != page()
    ]


def write() -> list[str]:
    """Renew the pages; those that were renewed."""
    changed = differing()
    for name in changed:
        (REFERENCE / name).write_text(PAGES[name]())
    return changed
