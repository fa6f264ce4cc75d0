"""Points at which a process ends itself with SIGKILL, or stops: to try what a death there does.

`ACTALOG_CRASHPOINT=name[:n][:stop]` arms one point. Unarmed, which is the rule, a point costs the
look at `armed`. This is for tests and for rehearsals of an outage, never for a platform that works.
"""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from actalog_core.errors import SettingMissing

Point = Literal[
    "bus.hearing", "bus.committing", "bus.revoked", "bus.assigned", "bus.draining", "bus.drained",
    "log.reading", "log.appending", "log.committed", "marks.writing",
    "calls.claimed", "calls.worked", "calls.settled", "reply.sending", "reply.sent",
    "tell.sending", "tell.sent", "supervisor.found", "supervisor.counted", "supervisor.heard",
    "model.streaming", "tool.running", "memory.applying", "memory.applied",
    "gateway.hearing", "gateway.accepting", "gateway.accepted", "gateway.sending", "gateway.sent",
    "gateway.streaming", "deploy.registered", "migrate.applied", "recover.brought",
    "recover.written",
]  # fmt: skip

POINTS: Mapping[Point, str] = {
    "bus.hearing": "a record was polled, and is about to be heard",
    "bus.committing": "records were heard, and their offsets are about to be committed",
    "bus.revoked": "a rebalance takes partitions away",
    "bus.assigned": "a rebalance has given partitions",
    "bus.draining": "SIGTERM came: nothing new is begun, and work is still going on",
    "bus.drained": "SIGTERM came: work has ended, and its offsets are not committed",
    "log.reading": "a service is about to read what it needs for its answer",
    "log.appending": "a decision was made, and is not in the log",
    "log.committed": "the log has it, and who decided does not know",
    "marks.writing": "events were published, and how far is about to be noted",
    "calls.claimed": "a call is claimed, and its work has not begun",
    "calls.worked": "a call has acted, and its outcome is not stored",
    "calls.settled": "an outcome is stored, and who worked does not know",
    "reply.sending": "an answer is about to be published",
    "reply.sent": "an answer was published, and its command is not done with",
    "tell.sending": "a decision stands, and nothing of it was published",
    "tell.sent": "what follows from a decision was published, and nobody has noted it",
    "supervisor.found": "something is due, and nothing was done about it",
    "supervisor.counted": "the hearing of an inbox row was counted, and has not begun",
    "supervisor.heard": "an answer that nobody told was heard, and still lies in the ledger",
    "model.streaming": "a model is writing; passed with each chunk",
    "tool.running": "a tool has begun, and has not ended",
    "memory.applying": "a memory was written, in a transaction that is open",
    "memory.applied": "memories and their cursor are committed, and who wrote does not know",
    "gateway.hearing": "a request was read, and nothing was done about it",
    "gateway.accepting": "a message is about to be put into the inbox",
    "gateway.accepted": "a message lies in the inbox, and its sender does not know",
    "gateway.sending": "a message is about to be published",
    "gateway.sent": "a message was published, and its sender may not know",
    "gateway.streaming": "a client is told of a run; passed with each frame",
    "deploy.registered": "a definition is registered, others may not be",
    "migrate.applied": "a migration is applied, others may not be",
    "recover.brought": "what a restored log lacked is back, its new incarnation is not open",
    "recover.written": "the new incarnation is open, what is heard again is not rewound",
}


@dataclass(slots=True)
class Armed:
    """The process ends itself at the `at`-th passage of a point; with `stop` it stops, until
    SIGCONT."""

    name: Point
    at: int = 1
    stop: bool = False
    passed: int = 0


armed: Armed | None = None


def parsed(told: str) -> Armed:
    """What `name[:n][:stop]` says.

    Raises:
        ValueError: it says nothing that is known; the message names what is.
    """
    name, *rest = told.split(":")
    if name not in POINTS:
        raise ValueError(f"there is no point {name!r}; there are {', '.join(POINTS)}")
    stop = rest[-1:] == ["stop"]
    counts = rest[:-1] if stop else rest
    if len(counts) > 1 or not all(one.isdecimal() and int(one) > 0 for one in counts):
        raise ValueError("a point is followed by `:n`, a number from 1, and `:stop`, or by neither")
    return Armed(cast(Point, name), int(counts[0]) if counts else 1, stop)


def arm(told: str | None) -> None:
    """From now on a passage counts.

    Raises:
        SettingMissing: it names no point.
    """
    global armed
    try:
        armed = parsed(told) if told else None
    except ValueError as error:
        raise SettingMissing(f"ACTALOG_CRASHPOINT: {error}") from error


def reach(name: Point) -> None:
    """This point is passed. Called only where one is armed:
    `if crashpoints.armed: crashpoints.reach(...)`."""
    if armed is None or armed.name != name:
        return
    armed.passed += 1
    if armed.passed == armed.at:
        how = "stopped" if armed.stop else "killed"
        os.write(2, f"crashpoint {name}:{armed.at} {how} {os.getpid()}\n".encode())
        os.kill(os.getpid(), signal.SIGSTOP if armed.stop else signal.SIGKILL)
