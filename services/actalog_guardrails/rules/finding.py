"""What a rule finds, and how findings that overlap are told apart."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Offsets in code points, end exclusive; never the text itself."""

    kind: str
    start: int
    end: int


def apart(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In order and without overlaps: of two that overlap the longer stands, else the earlier."""
    kept: list[Finding] = []
    for one in sorted(findings, key=lambda f: (f.start - f.end, f.start)):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return tuple(sorted(kept, key=lambda f: f.start))


def masked(text: str, findings: Iterable[Finding]) -> str:
    """The text with `[KIND]` in the place of each finding; findings must not overlap."""
    parts: list[str] = []
    at = 0
    for one in findings:
        parts += [text[at : one.start], f"[{one.kind.upper()}]"]
        at = one.end
    return "".join([*parts, text[at:]])
