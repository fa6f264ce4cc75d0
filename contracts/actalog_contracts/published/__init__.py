"""The published contracts as files: generated, committed, served by the gateway.

`schemas/<type>.json`, `asyncapi.json`, and `examples/<type>.json` (or `<type>-<case>.json`):
real messages of every released version, never edited. `make contracts` renews what is generated.
"""

import json
import re
from importlib import resources
from typing import Any

TYPE = re.compile(r"[a-z0-9_.]{1,100}")  # no longer than a file's name may be


def schema(type: str) -> bytes | None:
    """The JSON Schema of a message or event type, e.g. `run.result.v1`; None when unknown."""
    return _read(f"schemas/{type}.json") if TYPE.fullmatch(type) else None


def asyncapi() -> bytes:
    """The AsyncAPI 3 document; its references to schemas are relative."""
    return _read("asyncapi.json") or b"{}"


def examples() -> dict[str, Any]:
    """Every example by its name, parsed."""
    folder = resources.files(__name__).joinpath("examples")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text(encoding="utf-8"))
        for file in files
        if file.name.endswith(".json")
    }


def type_of(example: str) -> str:
    """The type an example's name says: `run.accepted.v1-held` is a `run.accepted.v1`."""
    return example.partition("-")[0]


def _read(name: str) -> bytes | None:
    file = resources.files(__name__).joinpath(*name.split("/"))
    return file.read_bytes() if file.is_file() else None
