"""Tools: functions of the author that a model may ask for."""

from actalog.tools.function import Function, tool
from actalog.tools.toolkit import Toolkit

__all__ = ["Function", "Toolkit", "tool"]
