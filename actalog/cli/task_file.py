"""Tasks from a file: one JSON object a line, as another system would publish them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from actalog_contracts.strict_json import BadInput, parse
from actalog_core.errors import OptionWrong


def read(path: Path) -> list[dict[str, Any]]:
    """The tasks of a file. A task without `run_id` gets one, to know its result by.

    Raises:
        OptionWrong: the file cannot be read, or a line is no JSON object that can be carried.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionWrong(f"--tasks {path}: {error}") from error
    return [
        named(_parsed(line, f"--tasks {path}, line {number}"))
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def named(task: Mapping[str, Any]) -> dict[str, Any]:
    """The task with a run id, and with a session, so that its key is known."""
    run_id = task.get("run_id") or str(uuid4())
    return {**task, "run_id": run_id, "session_id": task.get("session_id") or run_id}


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        return parse(line.encode())
    except BadInput as error:  # it would be refused, and whose result is waited for not be read
        at = f" ({error.field})" if error.field else ""
        raise OptionWrong(f"{where}: {error.message}{at}.") from error
