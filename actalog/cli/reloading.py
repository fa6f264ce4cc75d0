"""Starts again when the App's code changes."""

import asyncio
import contextlib
import importlib.util
import os
import sys
from pathlib import Path

from actalog.cli.author import here_first

EVERY_S = 0.5


class Watch:
    """The source files beside the App's module, as they are before it is loaded: what is changed
    while a platform starts is a change, too."""

    def __init__(self, app: str) -> None:
        here_first()
        self.folder = _folder(app.partition(":")[0])
        self.before = _seen(self.folder)

    async def changed(self) -> None:
        """Returns when one of the files is new, gone or another one."""
        while True:
            if await asyncio.to_thread(_seen, self.folder) != self.before:
                return
            await asyncio.sleep(EVERY_S)


def _folder(module: str) -> Path:
    """Where the module is; the current folder where it cannot be found: loading it will say so."""
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent
    return Path.cwd()


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
