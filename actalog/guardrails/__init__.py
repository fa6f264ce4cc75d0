"""Guardrails: what is checked before a model sees the input, or a person the answer.

They are values: the guardrails service has the rules. Unlike Agno's they check answers as well.
"""

from actalog.guardrails.checks import (
    FormatGuardrail,
    Guardrail,
    LengthGuardrail,
    PIIDetectionGuardrail,
    PromptInjectionGuardrail,
)

__all__ = [
    "FormatGuardrail", "Guardrail", "LengthGuardrail", "PIIDetectionGuardrail",
    "PromptInjectionGuardrail",
]  # fmt: skip
