"""Log lines: structlog, for people or for machines, each with the run it is about."""

import io
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, TextIO

import structlog

from actalog_core.visible import visible

About = Callable[[], Mapping[str, str]]

_about: ContextVar[About | None] = ContextVar("actalog_about", default=None)


class about:
    """Lines written inside carry what `tell` says (run_id, session_id). It is asked only when a
    line is written: most messages are heard without one."""

    __slots__ = ("_tell", "_token")

    def __init__(self, tell: About) -> None:
        self._tell = tell

    def __enter__(self) -> None:
        self._token = _about.set(self._tell)

    def __exit__(self, *_: object) -> None:
        _about.reset(self._token)


def _add_about(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    tell = _about.get()
    for name, value in tell().items() if tell else ():
        event.setdefault(name, value)
    return event


def configure(*, level: str, format: str, service: str, to: TextIO | None = None) -> None:
    """Set up structlog and the loggers of libraries, once per process. Lines go to stderr.

    Tracebacks have no values of variables: those are keys, prompts, and texts that no check has
    seen. (Rendering them also takes the event loop for seconds.)
    """
    stream = to or sys.stderr
    json = format == "json"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_about,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if json:
        traces = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shared += [_named(service), structlog.processors.ExceptionRenderer(traces)]
    else:
        shared.append(_shown)
    renderer: Any = structlog.processors.JSONRenderer() if json else _console(stream)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _libraries(stream, shared, renderer, number)


def plainly() -> None:
    """Tracebacks without values in a program that is not ours, and has not set structlog up: its
    libraries' loggers are its own."""
    if not structlog.is_configured():
        shared = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso")]
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                *shared,
                _shown,
                _console(sys.stdout),
            ]
        )


def _console(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=_traceback)


def _shown(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Ids and errors are of others: the terminal obeys none of them."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = visible(value)
    return event


def _traceback(to: TextIO, error: Any) -> None:
    told = io.StringIO()
    structlog.dev.plain_traceback(told, error)
    to.write(visible(told.getvalue()))


def _named(service: str) -> Callable[[object, str, MutableMapping[str, Any]], Any]:
    def name(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
        return {"service": service, **event}

    return name


def _libraries(stream: TextIO, shared: list[Any], renderer: Any, level: int) -> None:
    """What libraries log has the same form; below warning they talk too much."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    # A broker that is away is told once, by the bus that waits for it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
