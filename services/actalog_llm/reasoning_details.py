"""OpenRouter's thoughts: a stream tells each in pieces, and takes it back only whole. Pure."""

from collections.abc import Iterable
from typing import Any

from actalog_llm.whole import mapping

WRITTEN = ("text", "summary")  # what comes in pieces; all else of a thought is said once


def merged(pieces: Iterable[object]) -> list[dict[str, Any]]:
    """The thoughts that the pieces are of, in their order: those of one kind and index are one
    thought, as are neighbours of one kind without an index. A signature ends it."""
    whole: list[dict[str, Any]] = []
    for piece in map(mapping, pieces):
        before = next((one for one in reversed(whole) if _same(one, piece)), None)
        if before is None:
            if piece:
                whole.append({**piece})
            continue
        for name, value in piece.items():
            if name in WRITTEN and isinstance(value, str):
                before[name] = (before.get(name) or "") + value
            elif value is not None:
                before[name] = value
    return whole


def _same(before: dict[str, Any], piece: Any) -> bool:
    """Whether the piece goes on with it. Encrypted ones are whole when they come."""
    if before.get("data") or piece.get("data") or before.get("signature"):
        return False
    return all(before.get(name) == piece.get(name) for name in ("type", "index"))
