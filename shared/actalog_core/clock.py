"""Time, as a port: order never depends on it (protocol 4.6)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson

Clock = Callable[[], datetime]
Monotonic = Callable[[], float]  # seconds, of which only differences mean anything


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


_last: tuple[datetime | None, str] = (None, "")  # told last; a pair, because threads tell times too


def rfc3339(moment: datetime) -> str:
    """`2026-11-24T16:00:00.123456Z`: always six digits, so that texts sort as times do."""
    global _last
    last = _last
    if moment is not last[0]:  # the events of a decision have one moment, and it is told often
        last = _last = moment, _rfc3339(moment)
    return last[1]


def _rfc3339(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    if moment.microsecond:  # a fraction that is nought would be left out
        return orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()  # isoformat: 5 times
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def parse_time(text: str) -> datetime:
    """The moment an RFC 3339 text names.

    Raises:
        ValueError: the text is no such time, or has no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it with Z")
    return moment.astimezone(UTC)


def later(text: str, milliseconds: int) -> str:
    """The RFC 3339 time that many milliseconds after `text`."""
    return rfc3339(parse_time(text) + timedelta(milliseconds=milliseconds))
