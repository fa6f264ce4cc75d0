"""What a docstring says about a function and each of its parameters (Google's style, NumPy's,
`:param`)."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Napoleon's section names; only the parameters are read, the others end the description.
SECTIONS = (
    "args", "arguments", "parameters", "params", "other parameters", "returns", "return", "yields", "raises",
    "example", "examples", "note", "notes", "attributes", "see also", "todo", "warning", "warnings",
)  # fmt: skip
PARAMETERS = SECTIONS[:5]
_HEADER = re.compile(rf"^({'|'.join(SECTIONS)})\s*:\s*$", re.IGNORECASE)
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*:\s*(.*)$")
_UNDERLINE = re.compile(r"^-{3,}\s*$")
_FIELD = re.compile(r"^:(\w+)(?:\s+[^:]*?)??(?:\s+(\w+))?\s*:\s*(.*)$")


class Docstring(NamedTuple):
    """The text before the first section, and what is said of each parameter."""

    description: str
    parameters: Mapping[str, str]


def parse(text: str | None) -> Docstring:
    """Read a docstring; None reads as an empty one."""
    lines = inspect.cleandoc(text or "").splitlines()
    if any(_underlined(lines, at) for at in range(len(lines))):
        return _numpy(lines)
    start = next((at for at, line in enumerate(lines) if _begins(line)), len(lines))
    told: dict[str, list[str]] = {}
    section = ""
    for at, line in enumerate(lines[start:], start):
        if header := _HEADER.match(line):
            section = header[1].lower()
        elif field := _FIELD.match(line):
            section = "field" if field[1] == "param" and field[2] else ""
            if section:
                told[field[2]] = [field[3]]
        elif section in PARAMETERS:
            _take(line, _indent(lines, at), told)
        elif section == "field" and line.strip():
            told[next(reversed(told))].append(line.strip())
    return _docstring(lines[:start], told)


def _docstring(description: Sequence[str], told: Mapping[str, Sequence[str]]) -> Docstring:
    joined = {name: " ".join(part for part in parts if part) for name, parts in told.items()}
    return Docstring("\n".join(description).strip(), joined)


def _underlined(lines: Sequence[str], at: int) -> bool:
    """Whether a section in NumPy's style begins here."""
    known = lines[at].strip().lower() in SECTIONS
    return known and at + 1 < len(lines) and bool(_UNDERLINE.match(lines[at + 1]))


def _numpy(lines: Sequence[str]) -> Docstring:
    """An entry, `name : type` or `one, other : type`, stands as far left as its section's name."""
    told: dict[str, list[str]] = {}
    start, section, names = len(lines), "", list[str]()
    for at, line in enumerate(lines):
        if _underlined(lines, at):
            start, section, names = min(start, at), line.strip().lower(), []
        elif section not in PARAMETERS or not line.strip() or _UNDERLINE.match(line):
            continue
        elif not line[0].isspace():
            names = [one.strip().lstrip("*") for one in line.partition(":")[0].split(",")]
            told |= {name: [] for name in names}
        else:
            for name in names:
                told[name].append(line.strip())
    return _docstring(lines[:start], told)


def _begins(line: str) -> bool:
    return bool(_HEADER.match(line) or _FIELD.match(line))


def _take(line: str, entry_indent: int, told: dict[str, list[str]]) -> None:
    """A line of the parameters: a new one, or more about the last."""
    if not line.strip():
        return
    indent = len(line) - len(line.lstrip())
    entry = _ENTRY.match(line.strip())
    if entry and indent <= entry_indent:
        told[entry[1]] = [entry[2]]
    elif told:
        told[next(reversed(told))].append(line.strip())


def _indent(lines: list[str], at: int) -> int:
    """How far the entries of the section around line `at` are indented: as its first line."""
    while at > 0 and not _HEADER.match(lines[at]):
        at -= 1
    first = next((line for line in lines[at + 1 :] if line.strip()), "")
    return len(first) - len(first.lstrip())
