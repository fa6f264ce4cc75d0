"""The poison corpus: what nobody should send, and what each is to be told.

`poison/<name>.bin` has the bytes; `poison/expected.json` the refusal: its code, the field where
one is to blame, and words that the message has. `pad_to`: spaces are added up to that length.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "poison"


@dataclass(frozen=True, slots=True)
class Poison:
    name: str
    value: bytes | None
    headers: Mapping[str, bytes]
    code: str
    field: str | None
    says: str


def poison() -> list[Poison]:
    """Every case, in the order of the file."""
    expected: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
    return [_case(name, told) for name, told in expected.items()]


def _case(name: str, told: Mapping[str, Any]) -> Poison:
    value = None if told.get("null") else (FOLDER / f"{name}.bin").read_bytes()
    if value is not None and "pad_to" in told:
        value = value.ljust(told["pad_to"])
    headers = {key: text.encode() for key, text in told.get("headers", {}).items()}
    return Poison(name, value, headers, told["code"], told.get("field"), told["says"])
