"""xAI."""

from typing import ClassVar

from actalog.models.base import Model


class xAI(Model):
    """A model of xAI."""

    __slots__ = ()
    provider: ClassVar[str] = "xai"
