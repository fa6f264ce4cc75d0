"""What commands share: options, exit statuses, and one clear line for what went wrong."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from actalog_core.errors import ActalogError

FINE, WRONG, USAGE = 0, 1, 2  # fine; found wrong; wrong usage or cannot connect
INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Write JSON, for machines.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose runs.", metavar="T")]
AppOption = Annotated[
    str | None,
    typer.Option("--app", help="The author's App; else ACTALOG_APP.", metavar="MODULE:NAME"),
]


class _Reasons(logging.Handler):
    """Why no broker was reached: aiokafka logs that, and raises something that does not say it."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


REASONS = _Reasons(logging.ERROR)


def explained(error: "ActalogError") -> str:
    """What went wrong, with what the library said of it before."""
    from actalog_core.errors import Transient

    reason, REASONS.last = REASONS.last, ""
    return f"{error} ({reason})" if reason and isinstance(error, Transient) else str(error)


def carry_out(command: Coroutine[Any, Any, int | None]) -> NoReturn:
    """Run a command to its exit status. What the platform raises becomes one line on stderr."""
    status = _status(command)
    gc.freeze()  # the process ends: collecting what it holds takes a quarter of a second
    sys.exit(status)


def _status(command: Coroutine[Any, Any, int | None]) -> int:
    from actalog_core.errors import ActalogError

    logging.getLogger("aiokafka").addHandler(REASONS)  # beside our line it would be a second one
    logging.getLogger("aiokafka").propagate = False
    try:
        from actalog_core import crashpoints
        from actalog_core.settings import setting

        crashpoints.arm(setting(os.environ, "ACTALOG_CRASHPOINT"))
        status = _loop(command) or FINE
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
            sys.stdout.flush()  # what cannot be written is told below, not by the interpreter
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `actalog log RUN | head`
        _drop_output()
        sys.stderr.close()
        return FINE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        return complain(f"nothing more can be written: {error.strerror}")
    except ActalogError as error:
        return _told(error)
    except UnicodeEncodeError:
        if not any(_broken(one) for one in sys.argv):
            raise
        return complain("what you typed is not UTF-8")
    except BaseExceptionGroup as group:
        first = _first(group)
        if isinstance(first, ActalogError):
            return _told(first)
        raise
    finally:
        command.close()  # it may not have begun


def _drop_output() -> None:
    """What is left to be written goes nowhere: the interpreter would try, and complain, at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _broken(argument: str) -> bool:
    """Whether it has bytes that are no text: Python has them as lone surrogates."""
    return any("\ud800" <= letter <= "\udfff" for letter in argument)


def _told(error: "ActalogError") -> int:
    """A log that was changed is a finding; anything else keeps us from looking."""
    from actalog_core.errors import Tampered

    return complain(explained(error), WRONG if isinstance(error, Tampered) else USAGE)


def _loop(command: Coroutine[Any, Any, int | None]) -> int | None:
    try:
        import uvloop
    except ImportError:  # it is not there on Windows
        return asyncio.run(command)
    return uvloop.run(command)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]


def complain(message: str, status: int = USAGE) -> int:
    """One line on stderr; the exit status."""
    from actalog_core.visible import visible

    print(visible(f"actalog: {' '.join(message.split())}"), file=sys.stderr)
    return status
