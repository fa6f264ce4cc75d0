"""OpenRouter's thoughts: a stream tells each in pieces, and takes it back only whole. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from actalog_llm.whole import mapping

WRITTEN = ("text", "summary")  # what comes in pieces; all else of a thought is said once


class _Thought:
    """What has come of one. Its pieces are put together once: there may be tens of thousands."""

    def __init__(self, first: Mapping[str, Any]) -> None:
        self.said: dict[str, Any] = {**first}
        self.pieces: dict[str, list[str]] = {}
        self.add(first)

    def add(self, piece: Mapping[str, Any]) -> None:
        for name, value in piece.items():
            if name in WRITTEN and isinstance(value, str):
                self.pieces.setdefault(name, []).append(value)
            elif value is not None:
                self.said[name] = value

    def whole(self) -> dict[str, Any]:
        return self.said | {name: "".join(told) for name, told in self.pieces.items()}

    def goes_on(self, piece: Mapping[str, Any]) -> bool:
        """Whether the piece is of it. Encrypted ones are whole when they come."""
        if self.said.get("data") or piece.get("data") or self.said.get("signature"):
            return False
        return all(self.said.get(name) == piece.get(name) for name in ("type", "index"))


def merged(pieces: Iterable[object]) -> list[dict[str, Any]]:
    """The thoughts that the pieces are of, in their order: those of one kind and index are one
    thought, as are neighbours of one kind without an index. A signature ends it."""
    thoughts: list[_Thought] = []
    for piece in filter(None, map(mapping, pieces)):
        among = thoughts[-1:] if piece.get("index") is None else reversed(thoughts)
        thought = next((one for one in among if one.goes_on(piece)), None)
        if thought is None:
            thoughts.append(_Thought(piece))
        else:
            thought.add(piece)
    return [one.whole() for one in thoughts]
