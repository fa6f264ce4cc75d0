"""Tools: functions of the author that a model may ask for."""

from actalog.tools.function import Function, tool
from actalog.tools.toolkit import Toolkit
from actalog_tools.reconciling import NOT_DONE, UNKNOWN, Done

__all__ = ["NOT_DONE", "UNKNOWN", "Done", "Function", "Toolkit", "tool"]
