"""Groq."""

from typing import ClassVar

from actalog.models.base import Model


class Groq(Model):
    """A model of Groq."""

    __slots__ = ()
    provider: ClassVar[str] = "groq"
    default_id: ClassVar[str] = ""
