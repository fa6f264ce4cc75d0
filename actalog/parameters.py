"""What was given to a constructor under a wrong name is told at once, with the name that was meant.

Nothing is ignored silently: a name is ours, or it moved elsewhere, or it is refused.
"""

import difflib
import warnings
from collections.abc import Collection, Iterable, Mapping

from actalog.errors import MovedParameter, NoMethod, NotSupported, UnknownParameter

MOVED = {
    "db": "the platform keeps everything in its own log; ACTALOG_DATABASE_URL names the database",
    "telemetry": "nothing is sent anywhere; traces and metrics go where OTEL_* says",
    "checkpoint": "every step is durable; a run that was interrupted goes on by itself",
    "tracing": "traces go where OTEL_* says",
}


def refuse(
    who: str, given: Iterable[str], *, known: Collection[str], not_yet: Mapping[str, str]
) -> None:
    """Raise for the first name that is not known.

    Raises:
        NotSupported: Agno has it and we do not, yet.
        UnknownParameter: nobody has it.
    """
    for name in given:
        if name in known:
            continue
        if name in not_yet:
            hint = not_yet[name]
            raise NotSupported(f"{who}({name}=...)." + (f" {hint}" if hint else ""))
        close = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownParameter(f"{who} has no parameter {name!r}.{meant}")


def missing(owner: object, name: str, *, not_yet: Mapping[str, str]) -> AttributeError:
    """What to raise for an attribute that is not there: whether Agno has it."""
    who = type(owner).__name__
    hint = not_yet.get(name, not_yet.get(name.removeprefix("a")))
    if hint is None:
        return AttributeError(f"{who!r} object has no attribute {name!r}", name=name, obj=owner)
    return NoMethod(f"{who}.{name}()." + (f" {hint}" if hint else ""))


def warn_moved(who: str, given: Iterable[str], *, stacklevel: int = 3) -> None:
    """One warning for all parameters that something else replaces."""
    said = "; ".join(f"{name}= is not needed: {MOVED[name]}" for name in given)
    warnings.warn(f"{who}: {said}.", MovedParameter, stacklevel=stacklevel)
