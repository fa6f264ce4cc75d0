"""Starts again when the App's code changes."""

import asyncio
import importlib
import os
import sys
from pathlib import Path

EVERY_S = 0.5


async def changed(app: str) -> None:
    """Returns when a source file beside the App's module is new, gone or another one."""
    file = importlib.import_module(app.partition(":")[0]).__file__
    folder = Path(file or ".").parent
    before = await asyncio.to_thread(_seen, folder)
    while True:
        await asyncio.sleep(EVERY_S)
        if await asyncio.to_thread(_seen, folder) != before:
            return


def _seen(folder: Path) -> dict[Path, int]:
    found: dict[Path, int] = {}
    for path in folder.rglob("*.py"):
        try:
            found[path] = path.stat().st_mtime_ns
        except OSError:  # gone in between
            continue
    return found


def start_again() -> None:
    """Become a new process of the same command line, without its tasks: they were published."""
    arguments = list(sys.argv[1:])
    if "--tasks" in arguments:
        at = arguments.index("--tasks")
        del arguments[at : at + 2]
    arguments = [one for one in arguments if not one.startswith("--tasks=")]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "actalog", *arguments])
