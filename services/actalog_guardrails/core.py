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
from actalog_guardrails.rules.finding import masked

RULES = "guardrails.1"
"""Version of the rule packs. 1: the first."""

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
    """One text on its way through the checks."""

    text: str
    reasons: list[str] = field(default_factory=list[str])
    spans: list[Span] = field(default_factory=list[Span])
    blocked: bool = False

    def apply(self, check: Check) -> None:
        match check:
            case PiiCheck():
                self._pii(check)
            case InjectionCheck(extra_patterns=extra):
                if found := injection.find(self.text, extra):
                    self._block("prompt injection")
                    self.spans += [Span(kind=f.kind, start=f.start, end=f.end) for f in found]
            case LengthCheck(max_chars=most):
                if len(self.text) > most:
                    self._block(f"longer than {most} characters")
            case FormatCheck(json_schema=schema):
                if problem := form.problem(self.text, schema):
                    self._block(problem)
            case _:
                assert_never(check)

    def _pii(self, check: PiiCheck) -> None:
        found = pii.find(self.text, check.entities)
        if not found:
            return
        kinds = ", ".join(dict.fromkeys(one.kind for one in found))
        if check.action == "block":
            self._block(f"personal data: {kinds}")
        else:
            self.reasons.append(f"masked personal data: {kinds}")
            self.spans += [Span(kind=f.kind, start=f.start, end=f.end) for f in found]
            self.text = masked(self.text, found)

    def _block(self, reason: str) -> None:
        self.blocked = True
        self.reasons.append(reason)


def verdict(text: str, checks: Sequence[Check]) -> Verdict:
    """One text by all checks, in their order; a mask changes what later checks see."""
    checking = _Checking(text)
    for check in checks:
        checking.apply(check)
    reasons, spans = tuple(checking.reasons), tuple(checking.spans)
    if checking.blocked:
        return Verdict("blocked", "", reasons, spans)
    return Verdict("masked" if checking.text != text else "passed", checking.text, reasons, spans)


def reviewed(
    text: str, tool_calls: Sequence[ToolCall], checks: Sequence[Check]
) -> tuple[Verdict, tuple[ToolCall, ...]]:
    """A whole message of a model. Its form is asked of an answer only; arguments of tools are
    checked by the same rules, for whatever they hold leaves as well."""
    if tool_calls:
        checks = [check for check in checks if not isinstance(check, FormatCheck)]
    told = verdict(text, checks)
    arguments = [verdict(call.arguments, checks) for call in tool_calls]
    kinds = {told.kind, *(one.kind for one in arguments)}
    reasons = tuple(dict.fromkeys((*told.reasons, *(r for a in arguments for r in a.reasons))))
    if "blocked" in kinds:
        return Verdict("blocked", "", reasons, told.spans), ()
    kind: Kind = "masked" if "masked" in kinds else "passed"
    used = tuple(
        call.model_copy(update={"arguments": one.text})
        for call, one in zip(tool_calls, arguments, strict=True)
    )
    return Verdict(kind, told.text, reasons, told.spans), used
