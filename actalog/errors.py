"""What an author may do wrong. The class says what it is, the detail says where."""

from actalog_core.errors import Permanent


class BadDefinition(Permanent, ValueError):
    """This cannot become a definition:"""


class BadCall(BadDefinition):
    """This cannot be done:"""


class NotSupported(Permanent, NotImplementedError):
    """Actalog does not have this yet:"""


class NoMethod(NotSupported, AttributeError):
    """Actalog does not have this yet:"""


class UnknownParameter(Permanent, TypeError):
    """There is no such parameter:"""


class MovedParameter(UserWarning):
    """A parameter that another part of the platform has taken over."""
