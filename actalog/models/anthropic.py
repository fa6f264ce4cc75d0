"""Anthropic, by its messages."""

from typing import ClassVar

from actalog.models.base import Model


class Claude(Model):
    """A model of Anthropic."""

    __slots__ = ()
    provider: ClassVar[str] = "anthropic"
    default_id: ClassVar[str] = "claude-sonnet-4-5"
