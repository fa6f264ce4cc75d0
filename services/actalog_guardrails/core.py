"""A verdict from a definition's checks: pure. Blocking wins; masks add up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from actalog_contracts.base import Span, ToolCall
from actalog_contracts.definitions import (
    Check,
    FormatCheck,
    InjectionCheck,
    LengthCheck,
    PiiCheck,
)  # fmt: skip
from actalog_guardrails.rules import form, injection, pii
from actalog_guardrails.rules.documents import Document
from actalog_guardrails.rules.finding import Finding, apart

RULES = "guardrails.4"
"""Version of the rule packs. 1: the first. 2: personal data in other forms of its dashes, spaces and
digits; orders over several lines and in more languages, fewer harmless texts taken for orders. 3: patterns
of authors and their schemas by an engine that no text keeps busy; accents that stand behind their
letters; telephone numbers wrapped, and with more between their parts; what stands right beside other
personal data. 4: JSON with escapes is read as JSON within other words, too."""

Kind = Literal["passed", "masked", "blocked"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be used. A blocked text is nowhere in it; spans are of the text as it came."""

    kind: Kind
    text: str
    reasons: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(slots=True)
class _Checking:
    """One text on its way through the checks. `used` is the text with its masks."""

    document: Document
    used: str
    reasons: list[str] = field(default_factory=list[str])
    found: list[Finding] = field(default_factory=list[Finding])
    blocked: bool = False

    def apply(self, check: Check) -> None:
        match check:
            case PiiCheck(entities=entities, action=action):
                if found := pii.find(self.document.said, entities):
                    kinds = ", ".join(dict.fromkeys(one.kind for one in found))
                    self._note(f"personal data: {kinds}", found, block=action == "block")
            case InjectionCheck(extra_patterns=extra):
                if found := injection.find(self.document.said, extra):
                    self._note("prompt injection", found)
            case LengthCheck(max_chars=most):
                if len(self.document.text) > most:
                    self._note(f"longer than {most} characters")
            case FormatCheck(json_schema=schema):
                if problem := form.problem(self.used, schema):
                    self._note(problem)
            case _:
                assert_never(check)

    def _note(self, reason: str, found: Sequence[Finding] = (), *, block: bool = True) -> None:
        self.blocked = self.blocked or block
        self.reasons.append(reason if block else f"masked {reason}")
        self.found += found


def verdict(text: str, checks: Sequence[Check]) -> Verdict:
    """One text by all checks. All see it as it came, but its form is asked of what is used.

    Raises:
        BadPattern, BadSchema: a check cannot be used.
        SettingMissing: a check needs a library that is not installed.
    """
    document = Document(text)
    masks = [
        found
        for check in checks
        if isinstance(check, PiiCheck) and check.action == "mask"
        for found in pii.find(document.said, check.entities)
    ]
    checking = _Checking(document, document.masked(apart(masks)) if masks else text)
    for check in checks:
        checking.apply(check)
    reasons = tuple(dict.fromkeys(checking.reasons))
    spans = tuple(_span(document.original(one)) for one in apart(checking.found))
    if checking.blocked:
        return Verdict("blocked", "", reasons, spans)
    return Verdict("masked" if masks else "passed", checking.used, reasons, spans)


def reviewed(
    text: str, tool_calls: Sequence[ToolCall], checks: Sequence[Check], *, answers: bool = True
) -> tuple[Verdict, tuple[ToolCall, ...]]:
    """A whole message of a model. Form and length are asked of an answer; the arguments of tools,
    and a message that `answers` nobody, are checked by the other rules, for whatever they hold
    leaves as well."""
    of_arguments = [one for one in checks if not isinstance(one, FormatCheck | LengthCheck)]
    of_text = [one for one in checks if not isinstance(one, FormatCheck)] if tool_calls else checks
    of_text = of_text if answers else of_arguments
    told = verdict(text, of_text)
    arguments = [verdict(call.arguments, of_arguments) for call in tool_calls]
    kinds = {told.kind, *(one.kind for one in arguments)}
    more = [f"tool arguments: {reason}" for one in arguments for reason in one.reasons]
    reasons = tuple(dict.fromkeys((*told.reasons, *more)))
    if "blocked" in kinds:
        return Verdict("blocked", "", reasons, told.spans), ()
    kind: Kind = "masked" if "masked" in kinds else "passed"
    used = tuple(
        call.model_copy(update={"arguments": one.text})
        for call, one in zip(tool_calls, arguments, strict=True)
    )
    return Verdict(kind, told.text, reasons, told.spans), used


def _span(found: Finding) -> Span:
    return Span(kind=found.kind, start=found.start, end=found.end)
