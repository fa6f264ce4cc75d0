"""What bounds the time until runs go on again, for each fault."""

from typing import NamedTuple

from tests.chaos.stage import LEASE_S, SESSION_S

# A run's next event takes more than its recovery: a model's answer, a tool, and on two cores the
# start of some processes at the same time.
ALLOWED_S = 12.0
STATEMENT_S, REQUEST_S, CONSUMER_S = 10, 10, 16  # timeouts of whoever hears nothing


class Bound(NamedTuple):
    """Of a fault with `words` in its name: `text` for people, and `seconds` after the absence of
    what failed (`away`), where nothing can go on before it is there again."""

    words: str
    text: str
    seconds: float
    away: bool = False


_LEASE = f"lease ({LEASE_S:.0f} s) + 1 s"
_SESSION = f"session timeout ({SESSION_S:.0f} s) + 1 s"
# The first whose words are in the fault's name.
BOUNDS = (
    Bound("conductor killed, started again", "its own start; " + _SESSION, SESSION_S + 1),
    Bound("conductor", _SESSION, SESSION_S + 1),
    Bound("gateway killed", "another gateway answers at once", 1),
    Bound("stopped, then a zombie", _LEASE, LEASE_S + 1),
    Bound("services killed", "their start + " + _LEASE, LEASE_S + 1, away=True),
    Bound("PostgreSQL killed", "its absence + " + _LEASE, LEASE_S + 1, away=True),
    Bound("Kafka killed", "its absence + 5 s", 5, away=True),
    Bound("Kafka wiped", "its absence + 5 s", 5, away=True),
    Bound("killed", _LEASE, LEASE_S + 1),
    Bound("rolling deploy", "the start of a process", 1, away=True),
    Bound(
        "PostgreSQL silent", f"timeout of a statement ({STATEMENT_S} s) and of the next connection"
        " that is tried, twice", 4 * STATEMENT_S,
    ),
    Bound(
        "to Kafka silent", f"timeout of a request ({REQUEST_S} s, of a consumer {CONSUMER_S} s),"
        " for each service in turn", REQUEST_S + CONSUMER_S,
    ),
    Bound("", "a pause of at most 1 s before it is tried again", 1),
)  # fmt: skip


def bound(fault: str) -> Bound:
    """Of a fault, by its name."""
    return next(one for one in BOUNDS if one.words in fault)


def most_s(fault: str, away_s: float) -> float:
    """What no run may wait longer than, on a busy machine, too."""
    told = bound(fault)
    return told.seconds + (away_s if told.away else 0) + ALLOWED_S
