"""A text as the rules read it: of JSON its strings and numbers, decoded, so that an escape hides
nothing and a masked document is still JSON. It may stand within other words: models put fences around
it, and who reads it passes them over."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Literal

from actalog_core.canonical import clean_text
from actalog_guardrails.rules.finding import Finding, masked

MOST_STARTS = 64  # brackets at which JSON within other words may begin
_BRACKET = re.compile(r"[{\[]")
_APART = "\x1e\n"  # a number may go over two lines, but not over two strings
_TOKEN = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"|-?\d[\d.eE+-]*+')


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the text: where it stands, and what it says."""

    start: int
    end: int
    said: str
    form: Literal["plain", "string", "number"] = "plain"

    @property
    def verbatim(self) -> bool:
        return len(self.said) == self.end - self.start

    def written(self, said: str) -> str:
        """What stands in its place, saying this instead."""
        match self.form:
            case "plain":
                return said
            case "string":
                return json.dumps(said, ensure_ascii=False)[1:-1]
            case "number":
                return json.dumps(said)


class Document:
    """A text, plain or JSON. `said` is what rules read; findings are offsets in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._pieces: Sequence[_Piece] = _json_pieces(text) or _pieces_within(text)
        self.said = _APART.join(piece.said for piece in self._pieces)
        self._starts: list[int] = []
        at = 0
        for piece in self._pieces:
            self._starts.append(at)
            at += len(piece.said) + len(_APART)

    def original(self, found: Finding) -> Finding:
        """Where it stands in the text as it came; in an escaped string, all of the string."""
        first, last = self._at(found.start), self._at(max(found.start, found.end - 1))
        begin, end = self._pieces[first], self._pieces[last]
        start = begin.start + (found.start - self._starts[first]) if begin.verbatim else begin.start
        stop = end.start + (found.end - self._starts[last]) if end.verbatim else end.end
        return Finding(found.kind, start, min(stop, end.end))

    def masked(self, findings: Iterable[Finding]) -> str:
        """The text with masks in the place of findings, which are in order and apart."""
        parts: list[str] = []
        done = 0
        for index, inside in groupby(findings, key=lambda one: self._at(one.start)):
            piece, shift = self._pieces[index], self._starts[index]
            own = [replace(f, start=f.start - shift, end=f.end - shift) for f in inside]
            parts += [self.text[done : piece.start], piece.written(masked(piece.said, own))]
            done = piece.end
        return "".join([*parts, self.text[done:]])

    def _at(self, offset: int) -> int:
        return max(0, bisect_right(self._starts, offset) - 1)


def _json_pieces(text: str) -> list[_Piece]:
    """The strings and numbers of a JSON object or array; nothing when it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return []
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [_piece(found) for found in _TOKEN.finditer(text)]


def _pieces_within(text: str) -> list[_Piece]:
    """The words, and of JSON among them what it says. JSON without an escape is read as words: they
    say the same, and what stands around them counts."""
    pieces: list[_Piece] = []
    read = done = 0
    for bracket in islice(_BRACKET.finditer(text), MOST_STARTS) if "\\" in text else ():
        start = bracket.start()
        if start < read:
            continue
        try:
            _, read = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if "\\" in text[start:read]:
            pieces.append(_Piece(done, start, text[done:start]))
            pieces += [_piece(found) for found in _TOKEN.finditer(text, start, read)]
            done = read
    return [*pieces, _Piece(done, len(text), text[done:])]


def _piece(found: re.Match[str]) -> _Piece:
    start, end = found.span(1)
    if start < 0:
        return _Piece(*found.span(), found.group(), "number")
    said = found.group(1)
    if "\\" in said:
        said = clean_text(json.loads(found.group()))
    return _Piece(start, end, said, "string")
