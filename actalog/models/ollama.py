"""Ollama, on this machine or another."""

from typing import ClassVar

from actalog.models.base import Model


class Ollama(Model):
    """A model that Ollama serves; `host` or `base_url` says where."""

    __slots__ = ()
    provider: ClassVar[str] = "ollama"
    default_id: ClassVar[str] = ""
