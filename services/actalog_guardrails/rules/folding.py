"""A text as the patterns for personal data read it: each dash, space and digit of any script in its
plain form, no marks on letters, and nothing that cannot be seen. What is plain already stays."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from actalog_guardrails.rules.finding import Finding

KEPT = 0x10000  # code points below it are looked up once; the rest would fill the memory


class _Forms(dict[int, str | None]):
    """What `str.translate` puts in the place of a character; None: nothing."""

    def __missing__(self, code: int) -> str | None:
        form = _form(chr(code))
        if code < KEPT:
            self[code] = form
        return form


def _form(one: str) -> str | None:
    match unicodedata.category(one):
        case "Cf" | "Mn" | "Mc" | "Me":
            return None  # zero width, soft hyphens, marks of direction; accents that stand alone
        case "Zl" | "Zp":
            return "\n"
        case "Zs":
            return " "
        case "Pd":
            return "-"
        case "Nd":
            return str(unicodedata.decimal(one))
        case _:
            plain = unicodedata.normalize("NFKC", one)
            return plain if len(plain) == 1 and plain.isascii() else one


_FORMS = _Forms(
    {code: chr(code) for code in range(128)} | {0x2212: "-", 0x85: "\n"}
)  # the minus sign, the next line


@dataclass(frozen=True, slots=True)
class Folded:
    """`places` are where the characters stood; None: where they stand."""

    text: str
    places: Sequence[int] | None = None

    def original(self, found: Finding) -> Finding:
        """The finding in the text as it came."""
        if self.places is None:
            return found
        return Finding(found.kind, self.places[found.start], self.places[found.end - 1] + 1)


def folded(text: str) -> Folded:
    """One character for each that can be seen."""
    if text.isascii():
        return Folded(text)
    plain = text.translate(_FORMS)
    if len(plain) == len(text):
        return Folded(plain)
    return Folded(plain, [at for at, one in enumerate(text) if _FORMS[ord(one)] is not None])
