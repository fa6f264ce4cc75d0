"""DeepSeek."""

from typing import ClassVar

from actalog.models.base import Model


class DeepSeek(Model):
    """A model of DeepSeek."""

    __slots__ = ()
    provider: ClassVar[str] = "deepseek"
