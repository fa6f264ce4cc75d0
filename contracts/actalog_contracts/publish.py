"""`make contracts`: writes the published contracts, or checks them.

python -m actalog_contracts.publish            writes schemas and asyncapi.json; refuses a
                                               breaking change unless --accept-breaking is given
--docs PAGE                                    renews or checks the tables of that page, too
python -m actalog_contracts.publish check      writes nothing; exit 1 when the files differ from
                                               the code, each difference and break by name
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actalog_contracts.asyncapi import document
from actalog_contracts.catalogue import Entry, catalogue
from actalog_contracts.compatibility import breaks
from actalog_contracts.published import type_of
from actalog_contracts.reference import reference, spliced
from actalog_contracts.schemas import schema_of

FOLDER = Path(__file__).parent / "published"
SEALS = "examples/SHA256SUMS"


def generate(folder: Path) -> dict[str, str]:
    """What the code says today: file name under the folder -> text."""
    entries = catalogue()
    examples = _examples(folder)
    files = {f"schemas/{e.type}.json": _text(schema_of(e)) for e in entries.values()}
    files["asyncapi.json"] = _text(document(entries, examples))
    return files


def drift(folder: Path, files: Mapping[str, str]) -> list[str]:
    """How the committed files differ from the code."""
    there = {f"schemas/{path.name}" for path in (folder / "schemas").glob("*.json")}
    told = [f"{name}: no type has this schema any more" for name in sorted(there - files.keys())]
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            told.append(f"{name}: is not there")
        elif path.read_text(encoding="utf-8") != text:
            told.append(f"{name}: differs from the code")
    return told


def broken(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Changes that break those who use the committed schemas."""
    entries = catalogue()
    told: list[str] = []
    for path in sorted((folder / "schemas").glob("*.json")):
        entry = entries.get(path.stem)
        if entry is None:
            told.append(f"{path.stem}: removed: the type is gone")
            continue
        old = json.loads(path.read_text(encoding="utf-8"))
        new = json.loads(files[f"schemas/{path.name}"])
        told += [f"{path.stem}: {one}" for one in breaks(old, new, entry.direction)]
    return told


def unsealed(folder: Path) -> tuple[list[str], list[str]]:
    """(examples that were edited or are gone, examples that are new)."""
    sealed = _seals(folder)
    there = {path.name: _digest(path) for path in (folder / "examples").glob("*.json")}
    edited = [name for name, digest in sealed.items() if there.get(name) != digest]
    return edited, sorted(there.keys() - sealed.keys())


def without_example(folder: Path, entries: Mapping[str, Entry]) -> list[str]:
    """Types that have no example yet."""
    shown = {type_of(path.stem) for path in (folder / "examples").glob("*.json")}
    return sorted(entries.keys() - shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 fine, 1 something differs, breaks, or has no example."""
    parser = argparse.ArgumentParser(prog="actalog_contracts.publish")
    parser.add_argument("mode", nargs="?", choices=["write", "check"], default="write")
    parser.add_argument("--accept-breaking", action="store_true")
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    told = parser.parse_args(arguments)
    files = generate(told.folder)
    wrong = [f"breaking: {one}" for one in broken(told.folder, files)]
    if told.accept_breaking:
        wrong = []
    edited, new = unsealed(told.folder)
    wrong += [f"examples/{name}: an example is never edited" for name in edited]
    wrong += [f"{kind}: has no example" for kind in without_example(told.folder, catalogue())]
    if told.mode == "check":
        wrong += drift(told.folder, files)
        wrong += [f"examples/{name}: is not sealed" for name in new]
        wrong += _page_differs(told.docs)
    elif not wrong:
        _write(told.folder, files)
        if told.docs is not None:
            told.docs.write_text(_page(told.docs), encoding="utf-8")
    for one in wrong:
        print(one, file=sys.stderr)
    if wrong:
        print("`make contracts` renews what is generated.", file=sys.stderr)
    return 1 if wrong else 0


def _page(path: Path) -> str:
    return spliced(path.read_text(encoding="utf-8"), reference(catalogue()))


def _page_differs(path: Path | None) -> list[str]:
    if path is None or _page(path) == path.read_text(encoding="utf-8"):
        return []
    return [f"{path}: differs from the code"]


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path in (folder / "schemas").glob("*.json"):
        if f"schemas/{path.name}" not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    lines = [
        f"{_digest(path)}  {path.name}\n" for path in sorted((folder / "examples").glob("*.json"))
    ]
    (folder / SEALS).write_text("".join(lines), encoding="utf-8")


def _examples(folder: Path) -> dict[str, Any]:
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((folder / "examples").glob("*.json"))
    }


def _seals(folder: Path) -> dict[str, str]:
    path = folder / SEALS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
