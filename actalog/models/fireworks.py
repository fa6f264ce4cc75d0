"""Fireworks AI."""

from typing import ClassVar

from actalog.models.base import Model


class Fireworks(Model):
    """A model of Fireworks AI."""

    __slots__ = ()
    provider: ClassVar[str] = "fireworks"
