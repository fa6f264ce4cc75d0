"""Together AI."""

from typing import ClassVar

from actalog.models.base import Model


class Together(Model):
    """A model of Together AI."""

    __slots__ = ()
    provider: ClassVar[str] = "together"
