"""Models as values: which provider, which model, where it is, and with what parameters."""

from actalog.models.base import Model, choice

__all__ = ["Model", "choice"]
