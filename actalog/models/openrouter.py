"""OpenRouter."""

from typing import ClassVar

from actalog.models.base import Model


class OpenRouter(Model):
    """A model that OpenRouter reaches."""

    __slots__ = ()
    provider: ClassVar[str] = "openrouter"
    default_id: ClassVar[str] = ""
