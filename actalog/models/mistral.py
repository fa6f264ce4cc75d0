"""Mistral."""

from typing import ClassVar

from actalog.models.base import Model


class MistralChat(Model):
    """A model of Mistral."""

    __slots__ = ()
    provider: ClassVar[str] = "mistral"
