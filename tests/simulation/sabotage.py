"""Deliberate faults in the platform's own code. Seeds, or named tests, must catch each of them.

python -m tests.simulation.sabotage
"""

import multiprocessing
import sys
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from actalog_bus import doubts, share, subscription
from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Record
from actalog_calls import answering
from actalog_calls.claims import Claims
from actalog_conductor import draft, results
from actalog_conductor.acceptance import Acceptance
from actalog_conductor.hearing import Hearing
from actalog_conductor.supervisor import Supervisor
from actalog_conductor.telling import Teller
from actalog_contracts.calls import CallModel
from actalog_core.sure_clock import SureClock
from actalog_llm.handlers import LlmHandlers
from actalog_log.call_ports import Claim
from actalog_log.memory import MemoryLog
from actalog_log.memory_calls import MemoryCalls
from actalog_log.ports import Append, Opening
from actalog_tools import attempt, run_context
from tests.simulation.aimed import (
    attempts_break,
    clocks_are_wrong,
    conductors_begin_after_a_wipe,
    conductors_change,
    conductors_die,
    memories_are_reviewed,
    the_broker_is_wiped,
    the_newest_records_are_lost,
    workers_die_acting,
    workers_die_holding,
    workers_sleep,
)
from tests.simulation.patched import PATCHES, Patch, failing
from tests.simulation.plan import Plan, plan
from tests.simulation.running import Report, simulate

MOST_SEEDS = 120


@dataclass(frozen=True)
class Sabotage:
    """A fault of the code. `seed` is one that caught it once, and is tried first."""

    name: str
    replaces: Callable[[], Sequence[tuple[Any, str, Any]]]  # (owner, attribute, with what)
    seed: int
    of: Callable[[int], Plan] = plan


@contextmanager
def applied(sabotage: Sabotage) -> Generator[None]:
    with ExitStack() as stack:
        for owner, name, other in sabotage.replaces():
            stack.enter_context(mock.patch.object(owner, name, other))
        yield


def caught(sabotage: Sabotage, *, most: int = MOST_SEEDS) -> tuple[Report | None, int]:
    """The first seed's report that catches it, and how many it took."""
    seeds = [sabotage.seed, *(n for n in range(1, most) if n != sabotage.seed)]
    with applied(sabotage):
        for n, seed in enumerate(seeds, 1):
            report = simulate(seed, of=sabotage.of(seed))
            if report.broken:
                return report, n
    return None, most


# What is done to the code.


def no_expected_seq() -> Sequence[tuple[Any, str, Any]]:
    check = MemoryLog._check

    def unfenced(self: MemoryLog, one: Append) -> None:
        known = len(self.events.get(one.run_no, ()))
        check(self, replace(one, expected=replace(one.expected, seq=known)))

    return [(MemoryLog, "_check", unfenced)]


def offsets_before_handling() -> Sequence[tuple[Any, str, Any]]:
    take = Dispatcher.take

    def early(self: Dispatcher, record: Record) -> None:
        take(self, record)
        share = self._shares[record.topic, record.partition]
        share.mark.finish(record.offset)
        self.progress()

    return [(Dispatcher, "take", early)]


def old_epochs_settle() -> Sequence[tuple[Any, str, Any]]:
    async def settle(self: MemoryCalls, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        row = self.rows[call_id]
        if row.settled:
            return False
        row.settled, row.outcome = True, outcome
        return True

    return [(MemoryCalls, "settle", settle)]


def supervisor_sleeps() -> Sequence[tuple[Any, str, Any]]:
    async def look(self: Supervisor) -> None: ...

    return [(Supervisor, "look", look)]


def run_ids_repeat() -> Sequence[tuple[Any, str, Any]]:
    asked = MemoryLog.opening

    async def opening(self: MemoryLog, tenant_id: str, session_id: str, run_id: str) -> Opening:
        found = await asked(self, tenant_id, session_id, run_id)
        return Opening(found.turn, found.busy, known=False)

    check = MemoryLog._check

    def unchecked(self: MemoryLog, one: Append) -> None:
        known, self.ids = self.ids, {}
        try:
            check(self, one)
        finally:
            self.ids = known

    return [(MemoryLog, "opening", opening), (MemoryLog, "_check", unchecked)]


def results_without_id() -> Sequence[tuple[Any, str, Any]]:
    told = results.result_of

    def nameless(live: Any) -> Any:
        return told(live).model_copy(update={"id": str(uuid.uuid4())})

    from actalog_conductor import publish

    return [(publish, "result_of", nameless)]


def only_fresh_events() -> Sequence[tuple[Any, str, Any]]:
    async def fresh(self: Teller, told: Any) -> Any:
        return told.fresh

    return [(Teller, "_contiguous", fresh)]


def claims_never_busy() -> Sequence[tuple[Any, str, Any]]:
    claim = MemoryCalls.claim

    async def always(self: MemoryCalls, call_id: str, **more: Any) -> Claim:
        found = await claim(self, call_id, **more)
        return replace(found, state="claimed", epoch=max(1, found.epoch), outcome=None)

    return [(MemoryCalls, "claim", always)]


def doubts_are_run_again() -> Sequence[tuple[Any, str, Any]]:
    return [(attempt, "doubtful", lambda command, claim: False)]  # pyright: ignore


def nothing_is_paused() -> Sequence[tuple[Any, str, Any]]:
    return [(Dispatcher, "paused", lambda self: set())]  # pyright: ignore


def keys_of_attempts() -> Sequence[tuple[Any, str, Any]]:
    return [(run_context, "idempotency_key", lambda command: str(uuid.uuid4()))]  # pyright: ignore


def turns_are_free() -> Sequence[tuple[Any, str, Any]]:
    opening = MemoryLog.opening

    async def never_busy(self: MemoryLog, *of: str) -> Opening:
        return replace(await opening(self, *of), busy=False)

    return [(MemoryLog, "opening", never_busy)]


def held_text_stays() -> Sequence[tuple[Any, str, Any]]:
    def nothing(before: Any, heard: Any, after: Any) -> tuple[tuple[str, str], ...]:
        return ()

    return [(draft, "released", nothing), *held_text_outlives_its_run()]


def held_text_outlives_its_run() -> Sequence[tuple[Any, str, Any]]:
    def published(self: MemoryLog, run_no: int, seq: int) -> None:
        known = self.open.get(run_no)
        if known is not None:
            known.published_seq = max(known.published_seq, seq)
            if known.standing == "ended" and known.published_seq >= known.last_seq:
                del self.open[run_no]

    return [(MemoryLog, "published", published)]


def what_is_remembered_is_not_held() -> Sequence[tuple[Any, str, Any]]:
    held_back = LlmHandlers._held_back  # pyright: ignore[reportPrivateUsage]

    async def of_answers(self: LlmHandlers, command: CallModel, reply: Any) -> Any:
        return await held_back(self, command, reply) if command.purpose == "answer" else reply

    return [(LlmHandlers, "_held_back", of_answers)]


def attempts_share_an_epoch() -> Sequence[tuple[Any, str, Any]]:
    async def same(self: Claims, call_id: str, epoch: int) -> int | None:
        return epoch

    return [(Claims, "next_epoch", same)]


def a_wiped_broker_goes_unnoticed() -> Sequence[tuple[Any, str, Any]]:
    async def trusting(self: Any, partitions: Any) -> bool:
        return True

    def never(self: Any, record: Any) -> bool:
        return False

    return [(doubts.Doubts, "resume", trusting), (share.Share, "of_another_log", never)]


def acts_before_its_claim() -> Sequence[tuple[Any, str, Any]]:
    whole: Any = answering.answer_claimed

    async def beside(delivery: Any, command: Any, **more: Any) -> None:
        await whole(delivery, command, **{**more, "beside": True, "heard_before": False})

    from actalog_tools import handlers

    return [(handlers, "answer_claimed", beside)]


def nothing_is_told_again() -> Sequence[tuple[Any, str, Any]]:
    async def silent(self: Teller, live: Any, **_: Any) -> Any:
        return live

    return [(Teller, "again", silent)]


def stored_answers_are_left() -> Sequence[tuple[Any, str, Any]]:
    async def none(self: Any, *_: Any, **__: Any) -> bool:
        return False

    return [(Acceptance, "_again", none), (Hearing, "_release", none)]


def an_end_closes_its_row() -> Sequence[tuple[Any, str, Any]]:
    whole = draft.drafted

    def forgets(before: Any, events: Any, **more: Any) -> Any:
        made = whole(before, events, **more)
        if made.told.moved:
            return made
        return replace(made, append=replace(made.append, standing=None, wake_at=None))

    return [(draft, "drafted", forgets)]


def a_fresh_group_trusts_its_broker() -> Sequence[tuple[Any, str, Any]]:
    resume = doubts.Doubts.resume

    async def trusting(self: doubts.Doubts, partitions: Any) -> bool:
        await resume(self, partitions)
        return True

    return [(subscription.Doubts, "resume", trusting)]


def events_in_the_order_of_their_times() -> Sequence[tuple[Any, str, Any]]:
    opening = MemoryLog._found

    def by_clock(self: MemoryLog, run_no: int) -> Any:
        self.events[run_no].sort(key=lambda one: one.recorded_at)
        return opening(self, run_no)

    return [(MemoryLog, "_found", by_clock)]


def a_cancel_forgets_who_it_overtook() -> Sequence[tuple[Any, str, Any]]:
    async def nothing(self: MemoryLog, *_: Any) -> None: ...

    return [(MemoryLog, "put_tombstone", nothing)]


def each_trusts_its_own_clock() -> Sequence[tuple[Any, str, Any]]:
    def nothing(self: SureClock, theirs: Any) -> None: ...

    return [(SureClock, "compare", nothing)]


def offsets_given_again_are_trusted() -> Sequence[tuple[Any, str, Any]]:
    return [(doubts.Doubts, "sure", lambda self, found: found)]  # pyright: ignore


def a_log_that_ends_before_us_is_trusted() -> Sequence[tuple[Any, str, Any]]:
    def took(self: share.Share, record: Record) -> None:
        known = share.Stamp(record.offset, record.timestamp_ms)
        self.last, self.newest_ms = known, max(self.newest_ms, record.timestamp_ms)

    async def never(self: doubts.Doubts) -> None: ...

    return [(share.Share, "took", took), (doubts.Doubts, "_compare", never)]


SABOTAGES = (
    Sabotage("no expected seq in the append", no_expected_seq, 1, conductors_change),
    Sabotage(
        "offsets are committed before the hearing", offsets_before_handling, 1, conductors_die
    ),
    Sabotage("outcomes settle under an old epoch", old_epochs_settle, 1, workers_sleep),
    Sabotage("the supervisor sends nothing again", supervisor_sleeps, 3),
    Sabotage("a run id may be taken twice", run_ids_repeat, 2),
    Sabotage("results have a new id each time", results_without_id, 1),
    Sabotage("events are published without those before", only_fresh_events, 1, conductors_die),
    Sabotage("a claim is never busy", claims_never_busy, 1, conductors_change),
    Sabotage("what is in doubt is run again", doubts_are_run_again, 1, workers_die_acting),
    Sabotage(
        "each attempt has an idempotency key of its own", keys_of_attempts, 1, workers_die_acting
    ),
    Sabotage("what is full is fetched all the same", nothing_is_paused, 48),
    Sabotage("turns of a session are always free", turns_are_free, 3),
    Sabotage("held text is not released", held_text_stays, 2),
    Sabotage(
        "held text of a lost attempt stays", held_text_outlives_its_run, 1, workers_die_holding
    ),
    Sabotage(
        "what is remembered is not held", what_is_remembered_is_not_held, 1, memories_are_reviewed
    ),
    Sabotage("attempts of a model share an epoch", attempts_share_an_epoch, 1, attempts_break),
    Sabotage(
        "a wiped broker goes unnoticed", a_wiped_broker_goes_unnoticed, 52, the_broker_is_wiped
    ),
    Sabotage(
        "offsets that are given again are trusted",
        offsets_given_again_are_trusted,
        1,
        the_newest_records_are_lost,
    ),
    Sabotage(
        "a log that ends before us is trusted",
        a_log_that_ends_before_us_is_trusted,
        117,
        the_newest_records_are_lost,
    ),
    Sabotage("tools act before their claim stands", acts_before_its_claim, 1, workers_die_acting),
    Sabotage("a redelivery sends nothing again", nothing_is_told_again, 1, conductors_die),
    Sabotage("what follows an end keeps no row", an_end_closes_its_row, 334),
    Sabotage(
        "a fresh group trusts an empty broker",
        a_fresh_group_trusts_its_broker,
        10,
        conductors_begin_after_a_wipe,
    ),
    Sabotage("events have the order of their times", events_in_the_order_of_their_times, 2),
    Sabotage("a cancel leaves nothing for its task", a_cancel_forgets_who_it_overtook, 6),
    Sabotage("each conductor trusts its own clock", each_trusts_its_own_clock, 1, clocks_are_wrong),
)


def judged(at: int) -> tuple[str, str | None]:
    """(the sabotage, what caught it), by its place among all of them."""
    every: tuple[Sabotage | Patch, ...] = (*SABOTAGES, *PATCHES)
    one = every[at]
    if isinstance(one, Patch):
        return one.name, failing(one)
    report, n = caught(one)
    if report is None:
        return one.name, None
    return one.name, f"seed {report.seed} (the {n}. tried): {report.broken[0]}"


def main() -> int:
    """A table: which sabotage was caught by which seed and law, or by which test."""
    count, missed = len(SABOTAGES) + len(PATCHES), 0
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for name, by in pool.imap(judged, range(count)):
            missed += by is None
            print(f"{name:56} {(by or 'MISSED')[:140]}", flush=True)
    print(f"{count - missed} of {count} deliberate faults were caught")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
