"""What a rule finds, and how findings that overlap become one."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Offsets in code points, end exclusive; never the text itself."""

    kind: str
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


def apart(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In order and without overlaps. Those that overlap become one, named after the longest:
    nothing that was found shows beside a mask."""
    kept: list[tuple[Finding, int]] = []  # with the length of who gave the name
    for one in sorted(findings, key=lambda f: (f.start, -f.end)):
        if kept and one.start < kept[-1][0].end:
            last, named = kept[-1]
            kind = one.kind if one.length > named else last.kind
            whole = Finding(kind, last.start, max(last.end, one.end))
            kept[-1] = (whole, max(named, one.length))
        else:
            kept.append((one, one.length))
    return tuple(one for one, _ in kept)


def masked(text: str, findings: Iterable[Finding]) -> str:
    """The text with `[KIND]` in the place of each finding; findings must not overlap."""
    parts: list[str] = []
    at = 0
    for one in findings:
        parts += [text[at : one.start], f"[{one.kind.upper()}]"]
        at = one.end
    return "".join([*parts, text[at:]])
