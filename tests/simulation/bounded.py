"""I13: what a subscription holds and works on stays within its bounds, in narrow worlds, too."""

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from actalog_bus import subscription
from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Fault, Record
from tests.simulation.plan import Plan

NARROW = {"limit": 2, "buffer": 6}
NARROW_FETCH = 3  # records
WIDE = {"limit": 256, "buffer": 4_096}


def is_narrow(plan: Plan) -> bool:
    """Whether little is heard and held at once: in a quarter of the plans with several faults."""
    return len(plan.faults) > 1 and random.Random(f"narrow {plan.seed}").random() < 0.25


@contextmanager
def watched(
    plan: Plan, wrong: Callable[[str], None], takes: Callable[[Record], None]
) -> Generator[None]:
    """Dispatchers tell `wrong` what is above its bound, and `takes` what is taken."""
    narrow = is_narrow(plan)
    fetch = NARROW_FETCH if narrow else subscription.MOST_RECORDS

    class Watched(Dispatcher):
        def __init__(self, **given: Any) -> None:
            given = WIDE | given | (NARROW if narrow else {})
            self.most = given["limit"]
            # Each partition's share may be filled when the next fetch comes, and shares become
            # smaller with every partition that is assigned: by then they may hold what they had.
            # What is being heard counts for no share.
            self.most_held = 2 * given["buffer"] + fetch + self.most
            super().__init__(**given)

        def take(self, record: Record, fault: Fault | None = None) -> None:
            if not self._closing and not self.known(record):
                takes(record)
            super().take(record, fault)
            # What waits for a lane of a partition that was lost since is dropped in its turn.
            held = sum(not one.void for lane in self._lanes.values() for one in lane)
            if held > self.most_held:
                wrong(f"I13: {held} records of {record.topic} are held")
            if len(self._workers) > self.most:
                wrong(f"I13: {len(self._workers)} records of {record.topic} are heard at once")

    with (
        mock.patch.object(subscription, "Dispatcher", Watched),
        mock.patch.object(subscription, "MOST_RECORDS", fetch),
    ):
        yield
