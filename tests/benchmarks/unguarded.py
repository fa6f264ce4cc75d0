"""`actalog` without the effect ledger and the supervisor, for `guarded` to compare with: nothing
it starts survives a crash. `python -m tests.benchmarks.unguarded COMMAND ...`"""

from typing import Any

from actalog.__main__ import main
from actalog_conductor.supervisor import Supervisor
from actalog_log.call_ports import Claim, Renewed
from actalog_log.calls import PostgresCalls


async def _claimed(_calls: PostgresCalls, call_id: str, **_: Any) -> Claim:
    return Claim(call_id, "claimed", 1)


async def _renewed(_calls: PostgresCalls, *_: Any) -> Renewed:
    return Renewed()


async def _settled(_calls: PostgresCalls, _call_id: str, **_: Any) -> bool:
    return True


async def _nothing(_supervisor: Supervisor) -> None:
    return None


def _is_ready(_supervisor: Supervisor) -> None:
    return None


def without() -> None:
    """Claims stand at once, outcomes are not kept, nobody looks after what is open."""
    setattr(PostgresCalls, "claim", _claimed)  # noqa: B010 - the type checker minds the names
    setattr(PostgresCalls, "renew", _renewed)  # noqa: B010
    setattr(PostgresCalls, "settle", _settled)  # noqa: B010
    setattr(Supervisor, "start", _nothing)  # noqa: B010
    setattr(Supervisor, "stop", _nothing)  # noqa: B010
    setattr(Supervisor, "ready", _is_ready)  # noqa: B010


if __name__ == "__main__":
    without()
    main()
