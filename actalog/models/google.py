"""Google, by its OpenAI-compatible address."""

from collections.abc import Mapping
from typing import ClassVar

from actalog.models.base import Model


class Gemini(Model):
    """A model of Google."""

    __slots__ = ()
    provider: ClassVar[str] = "gemini"
    default_id: ClassVar[str] = "gemini-2.5-flash"
    names: ClassVar[Mapping[str, str]] = {"max_output_tokens": "max_tokens"}
