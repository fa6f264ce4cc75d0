"""One class for each kind of check."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from actalog.errors import BadDefinition, NotSupported
from actalog.given import listed, positive, text
from actalog.schemas import json_schema
from actalog_contracts.definitions import (
    Check,
    FormatCheck,
    InjectionCheck,
    LengthCheck,
    PiiCheck,
)  # fmt: skip
from actalog_guardrails.rules.patterns import BadPattern, looked_for

if TYPE_CHECKING:
    from pydantic import BaseModel


class Guardrail(ABC):
    """Something to check."""

    @abstractmethod
    def to_check(self) -> Check:
        """The check as a value of a definition."""


class PIIDetectionGuardrail(Guardrail):
    """Personal data: blocks the text, or masks what it found."""

    def __init__(
        self,
        *,
        mask_pii: bool = False,
        enable_ssn_check: bool = True,
        enable_credit_card_check: bool = True,
        enable_email_check: bool = True,
        enable_phone_check: bool = True,
        enable_iban_check: bool = True,
        enable_ip_check: bool = True,
        custom_patterns: Mapping[str, Any] | None = None,
    ) -> None:
        if custom_patterns:
            raise NotSupported("PIIDetectionGuardrail(custom_patterns=...).")
        wanted = {
            "card": enable_credit_card_check, "iban": enable_iban_check,
            "email": enable_email_check, "phone": enable_phone_check,
            "ssn": enable_ssn_check, "ip": enable_ip_check,
        }  # fmt: skip
        self.mask_pii = mask_pii
        self.entities = tuple(kind for kind, on in wanted.items() if on)

    def to_check(self) -> PiiCheck:
        return PiiCheck(action="mask" if self.mask_pii else "block", entities=self.entities)


class PromptInjectionGuardrail(Guardrail):
    """Texts that try to take the model over. `injection_patterns` are looked for as well."""

    def __init__(self, *, injection_patterns: Sequence[str] = ()) -> None:
        who = "PromptInjectionGuardrail"
        given = listed(who, "injection_patterns", injection_patterns)
        self.injection_patterns = tuple(text(who, "injection_patterns", one) for one in given)
        if not all(one.strip() for one in self.injection_patterns):
            raise BadDefinition(
                f"{who}: one of its injection_patterns is empty: all texts have it."
            )
        for one in self.injection_patterns:
            try:
                looked_for(one)
            except BadPattern as error:
                raise BadDefinition(f"{who}: injection_patterns: {error.args[0]}") from error

    def to_check(self) -> InjectionCheck:
        return InjectionCheck(extra_patterns=self.injection_patterns)


class LengthGuardrail(Guardrail):
    """At most that many characters (code points)."""

    def __init__(self, max_chars: int) -> None:
        self.max_chars = positive("LengthGuardrail", "max_chars", max_chars)

    def to_check(self) -> LengthCheck:
        return LengthCheck(max_chars=self.max_chars)


class FormatGuardrail(Guardrail):
    """JSON of a schema: a JSON Schema, or a pydantic class."""

    def __init__(self, schema: "type[BaseModel] | Mapping[str, Any]") -> None:
        self.schema = schema

    def to_check(self) -> FormatCheck:
        schema = json_schema(self.schema, name="FormatGuardrail(schema=...)")
        try:
            return FormatCheck(json_schema=json.dumps(schema, allow_nan=False, sort_keys=True))
        except (TypeError, ValueError) as error:
            raise BadDefinition(f"FormatGuardrail: the schema is not JSON: {error}") from error
