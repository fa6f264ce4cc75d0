"""LM Studio, on this machine."""

from typing import ClassVar

from actalog.models.base import Model


class LMStudio(Model):
    """A model that LM Studio serves."""

    __slots__ = ()
    provider: ClassVar[str] = "lmstudio"
    default_id: ClassVar[str] = ""
