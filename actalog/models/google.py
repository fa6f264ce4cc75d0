"""Google, by its OpenAI-compatible address."""

from typing import ClassVar

from actalog.models.base import Model


class Gemini(Model):
    """A model of Google."""

    __slots__ = ()
    provider: ClassVar[str] = "gemini"
    default_id: ClassVar[str] = "gemini-2.5-flash"
