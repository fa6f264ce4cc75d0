"""Cohere."""

from typing import ClassVar

from actalog.models.base import Model


class Cohere(Model):
    """A model of Cohere."""

    __slots__ = ()
    provider: ClassVar[str] = "cohere"
