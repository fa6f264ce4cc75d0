"""The effect ledger as services see it. Memory and PostgreSQL satisfy it; one suite runs over both."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Literal, Protocol

from actalog_core.values import frozen


def ledger_key(run_no: int, call_id: str) -> str:
    """What a call is named in the ledger. Run ids repeat between tenants, and call ids with them;
    run numbers do not."""
    return f"{run_no}/{call_id}"


ClaimState = Literal["claimed", "answered", "busy", "expired"]


@frozen
class Claim:
    """What stands for a call. `claimed`: it is ours under `epoch`, run it. `expired`: it was
    somebody else's whose lease ran out; it is now ours under a new epoch and the declaration
    decides. `answered`: `outcome` is known. `busy`: a live lease, drop the message. `ended`: it
    is ours, but its run has ended meanwhile: nothing needs to be done."""

    call_id: str
    state: ClaimState
    epoch: int
    outcome: bytes | None = None
    ended: bool = False
    deaths: int = 0  # of workers that held it: the third counts where it ran alone


@frozen
class Renewed:
    """`ended`: still ours, but its run has ended. `lost`: no longer ours to answer. `at`: the
    database's time."""

    ended: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    at: datetime | None = field(default=None, compare=False)


class Calls(Protocol):
    """The effect ledger (protocol 6). Leases run on the database's clock. A `call_id` is a
    `ledger_key`; a `holder` is one life of one process, so that nobody renews for the dead."""

    async def claim(
        self, call_id: str, *, run_no: int, holder: str, lease_ms: int, take_over: bool = True,
        after_epoch: int = 0, on_notice: bool = False,
    ) -> Claim:  # fmt: skip
        """`after_epoch`: an outcome up to this epoch is void, a person has said; the call is
        `claimed` anew, under the next epoch, also where nobody has claimed it before. `take_over`
        False: an expired lease is told as `busy`, because this process has not itself reached the
        database without a gap for one lease (protocol 6.4); with `on_notice` it is taken over all
        the same if a supervisor, who had, has been told of it by `expired_calls` since it ran out.
        What the holder has already is told to it again as its own: the first answer may have been
        lost."""
        ...

    async def renew(self, holder: str, lease_ms: int, call_ids: Collection[str]) -> Renewed:
        """Renew those of these calls that are the holder's and unanswered."""
        ...

    async def raise_epoch(self, call_id: str, *, epoch: int, holder: str) -> int | None:
        """The next epoch of our own call (each attempt has one, 6.7); None: no longer ours."""
        ...

    async def run_alone(self, call_id: str, *, epoch: int) -> bool:
        """Note that our call runs alone from now on: should its worker die, it is to blame.
        False: the epoch is no longer ours."""
        ...

    async def settle(self, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        """Store the outcome under its epoch. False: the epoch is no longer ours (6.5)."""
        ...

    async def settle_all(self, outcomes: Mapping[str, tuple[int, bytes]]) -> frozenset[str]:
        """Store many, (epoch, outcome) by call. Those that were not stored before, and are now."""
        ...


class WatchedCalls(Protocol):
    """A part of `RunLog`: what those who decide ask of the ledger."""

    async def expired_calls(self, limit: int) -> Sequence[tuple[str, int]]:
        """(call_id, run_no) of calls without outcome whose lease has run out. Told once in about two
        seconds, to one of several who ask: who asks has reached the database without a gap for one
        lease, and whoever hears the call may rely on that."""
        ...

    async def unheard_answers(self, limit: int) -> Sequence[tuple[str, int, bytes]]:
        """(call_id, run_no, the answer) of calls that were answered about a lease ago, and whose
        answer the log does not have: whoever gave it died before telling, or told nobody. Told once in about
        two seconds, to one of several who ask."""
        ...

    async def outcome(self, call_id: str) -> bytes | None:
        """What lies in the ledger under this key; None when the log has it already."""
        ...

    async def live_calls(self, run_no: int) -> frozenset[str]:
        """Ledger keys of the run's calls that somebody holds now."""
        ...

    async def abandon_calls(self, run_no: int) -> int:
        """Settle calls of an ended run whose holder is gone: nobody will answer them."""
        ...

    async def claimed_epoch(self, call_id: str) -> int:
        """That of the last claim of a call; 0: nobody has claimed it."""
        ...

    async def answer_heard(self, call_id: str, answer: bytes) -> None:
        """The log has this answer, or it means nothing: it goes from the ledger. Of a call that
        was claimed again meanwhile nothing changes."""
        ...
