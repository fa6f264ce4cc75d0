"""What must hold whatever went wrong, judged by the log, what was published, and the world outside.

Numbers are those of the invariants; the services' own words are not asked.
"""

import re
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from actalog.rebuilding import recorded
from actalog.replaying import replay
from actalog_conductor.live import SETTLED
from actalog_contracts.runs import (
    CallSettled,
    ModelFailed,
    ModelReplied,
    RequirementResolved,
    RunBlocked,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    ToolCalled,
    ToolFailed,
    ToolReturned,
)  # fmt: skip
from actalog_core.errors import ChainBroken
from actalog_core.session_state import read_ops
from tests.simulation import epochs, published
from tests.simulation.clients import CANCELLED
from tests.simulation.outside import final
from tests.simulation.recovery import BOUND_S, NET_S
from tests.simulation.told import Told
from tests.simulation.world import ENDS, World, identity

TOKEN = re.compile(r'"token": ?"([^"]+)"')


def violations(world: World) -> list[str]:
    """What does not hold; empty when all does."""
    if (broken := _chain(world)) is not None:
        return [broken]
    runs = [
        Told(found, _now(recorded(world.database.log, found)))
        for no in world.database.log.runs
        if (found := _now(world.database.log.find_run_no(no))) is not None
    ]
    checks = (
        _i1_no_loss, _i2_no_phantom, _i3_one_end, _i4_dense, _i5_effects, epochs.followed, epochs.voided,
        _i7_same,
        published.in_order, published.results, published.stream, published.reviewed,
        _i10_money, _state, _turns, _i14_recovered, _i14_converged, _i15_honest, _people, _cancels, _all_heard, _nothing_left,
    )  # fmt: skip
    found = [said for check in checks for said in check(world, runs)]
    found += world.unbounded[:1]
    return [*found, *(f"loop: {error!r}" for error in world.loop.errors)]


def _now(call: Coroutine[Any, Any, Any]) -> Any:
    """The log in memory awaits nothing."""
    try:
        call.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("the log awaited something")


def _chain(world: World) -> str | None:
    for run_no in world.database.log.runs:
        try:
            _now(world.database.log.read(run_no))
        except ChainBroken as error:
            return f"I4: {error}"
    return None


def _i1_no_loss(world: World, runs: Sequence[Told]) -> Iterator[str]:
    known = {one.found.row.run_id for one in runs}
    for token, person in world.submitted.items():
        if person.refused is None and person.accepted and person.run_id not in known:
            yield f"I1: the task {token} was accepted and is nowhere"


def _i2_no_phantom(world: World, runs: Sequence[Told]) -> Iterator[str]:
    asked = {person.run_id for person in world.submitted.values()}
    by_no = {one.found.row.run_no: one for one in runs}
    for one in runs:
        row = one.found.row
        if row.parent_run_no is None and row.run_id not in asked:
            yield f"I2: nobody asked for {one.name}"
        if (
            row.parent_run_no is not None
            and "run.completed.v1" not in by_no[row.parent_run_no].types
        ):
            yield f"I2: {one.name} remembers what was never completed"
    ids = Counter((one.found.row.tenant_id, row_id(one)) for one in runs)
    yield from (f"I2: there are {n} runs with the id {id}" for (_, id), n in ids.items() if n > 1)
    children = Counter(one.found.row.parent_run_no for one in runs)
    yield from (f"I2: run {no} has {n} children" for no, n in children.items() if no and n > 1)
    intents = _tokens(runs)
    for effect in world.outside.effects:
        if effect.token not in intents:
            yield f"I2: {effect.tool} {effect.token} happened without an intent in the log"


def row_id(one: Told) -> str:
    return one.found.row.run_id


def _tokens(runs: Sequence[Told]) -> dict[str, tuple[Told, ToolCalled]]:
    found: dict[str, tuple[Told, ToolCalled]] = {}
    for one in runs:
        for event in one.run.events:
            if isinstance(event, ToolCalled) and (told := TOKEN.search(event.arguments)):
                found[told.group(1)] = (one, event)
    return found


def _i3_one_end(world: World, runs: Sequence[Told]) -> Iterator[str]:
    for one in runs:
        ends = [at for at, kind in enumerate(one.types) if kind in ENDS]
        if len(ends) > 1:
            yield f"I3: {one.name} ended {len(ends)} times: {one.types}"
        elif ends and set(one.types[ends[0] + 1 :]) - {SETTLED}:
            yield f"I3: {one.name} went on after its end: {one.types}"


def _i4_dense(world: World, runs: Sequence[Told]) -> Iterator[str]:
    for one in runs:
        if [event.seq for event in one.run.stored] != list(range(1, len(one.types) + 1)):
            yield f"I4: {one.name} has gaps"
    for (_, session), turns in world.database.log.turns.items():
        if sorted(turns) != list(range(1, len(turns) + 1)):
            yield f"I4: the turns of {session} are {sorted(turns)}"
    for (_, session), ops in world.database.log.ops.items():
        if sorted(ops) != list(range(1, len(ops) + 1)):
            yield f"I4: the state of {session} has versions {sorted(ops)}"


def _i5_effects(world: World, runs: Sequence[Told]) -> Iterator[str]:
    happened = Counter(one.token for one in world.outside.effects)
    keys: dict[str, set[str | None]] = {}
    for effect in world.outside.effects:
        keys.setdefault(effect.token, set()).add(effect.key)
    for token, (one, called) in _tokens(runs).items():
        n, name = happened[token], f"{called.name} {token} of {one.name}"
        if n > 1:
            yield f"I5: {name} happened {n} times"
        if len(keys.get(token, ())) > 1:
            yield f"I5: {name} had several keys"
        answers = [e for e in one.run.events if getattr(e, "call_id", "") == called.call_id]
        returned = any(isinstance(e, ToolReturned) for e in answers)
        if returned and called.name in ("pay", "put", "wire") and n < 1:
            yield f"I5: {name} returned and never happened"
        rejected = any(isinstance(e, ToolFailed) and e.kind == "rejected" for e in answers)
        if rejected and n:
            yield f"I5: {name} was rejected and happened"


def _i7_same(world: World, runs: Sequence[Told]) -> Iterator[str]:
    states = {one.found.row.run_no: one for one in runs}
    for instance in world.running.values():
        cache = instance.runs()
        for run_no, live in cache._cached.items() if cache else ():
            told = states[run_no]
            if live.head.seq == told.found.head.seq and live.state != told.run.state():
                yield f"I7: {told.name} is another in the cache of {instance.process.name}"
    for one in runs:
        difference = _now(replay(world.database.log, one.run))
        if difference is not None:
            yield f"I7: {one.name} replays differently at {difference.seq}: {difference}"


def _i10_money(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """What a run's end says it has cost is what its calls have, and what came late until then."""
    for one in runs:
        tokens = calls = 0
        for event in one.run.events:
            if isinstance(event, ModelReplied | ModelFailed | CallSettled):
                tokens, calls = tokens + event.usage.total_tokens, calls + event.usage.model_calls
            ended = isinstance(event, RunCompleted | RunFailed | RunBlocked | RunCancelled)
            if ended and (event.usage.total_tokens, event.usage.model_calls) != (tokens, calls):
                yield f"I10: {one.name} ended with {event.usage}, its calls cost {tokens}"


def _state(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """What tools did to a session's state is there once, whoever wrote at the same time."""
    written = Counter(
        (op.session_id, key)
        for ops in world.database.log.ops.values() for op in ops.values()
        for key in (one.key for one in read_ops(op.ops))
    )  # fmt: skip
    for token, (one, called) in _tokens(runs).items():
        done = any(
            isinstance(e, ToolReturned) and e.call_id == called.call_id for e in one.run.events
        )
        n = written[one.found.row.session_id, token]
        if called.name == "count" and n != int(done):
            yield f"10: {token} of {one.name} was written {n} times, and returned: {done}"


def _turns(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """A run starts when no earlier turn of its session is active (protocol 3.2)."""
    for one in runs:
        row = one.found.row
        started = [e.position for e in one.run.stored if e.type == "run.started.v1"]
        if row.turn is None or not started or one.run.definition.overlap:
            continue
        for other in runs:
            before = other.found.row
            same = (before.session_id, before.tenant_id) == (row.session_id, row.tenant_id)
            if same and before.turn is not None and before.turn < row.turn:
                until = [e for e in other.run.stored if e.position < started[0]]
                if not any(e.type in ENDS or e.type == "run.paused.v1" for e in until):
                    yield f"3.2: {one.name} began while {other.name} was active"


def _i14_recovered(world: World, runs: Sequence[Told]) -> Iterator[str]:
    bound_s = NET_S if world.faults.counts()["cut off"] else BOUND_S
    for one in world.watch.stills():
        if one.recovery_s > bound_s:
            yield f"I14: {one}, more than {bound_s} s"


def _i14_converged(world: World, runs: Sequence[Told]) -> Iterator[str]:
    if world.converged:
        return
    waiting = [f"{one.name} {one.types[-1]}" for one in runs if not set(one.types) & set(ENDS)]
    yield f"I14: after {world.loop.now:.0f} s these have not ended: {waiting}"
    log = world.database.log
    rows = {no: (one.standing, one.last_seq, one.published_seq) for no, one in log.open.items()}
    yield f"I14: open rows {rows}, inbox {list(log.inbox)}"


def _i15_honest(world: World, runs: Sequence[Told]) -> Iterator[str]:
    tokens = {person.run_id: person for person in world.submitted.values()}
    for one in runs:
        for event in one.run.events:
            if isinstance(event, RunFailed) and not (event.error.code and event.error.message):
                yield f"I15: {one.name} failed without saying why"
            if isinstance(event, RunFailed) and event.error.code == "deadline_exceeded":
                yield from _early(world, one, tokens)
        state: Any = one.run.state()
        ended = any(isinstance(event, RunCompleted) for event in one.run.events)
        person = tokens.get(one.found.row.run_id)
        if ended and person is not None and state.output != final(person.task.token):
            yield f"I15: {one.name} completed with {state.output!r}"


def _early(world: World, one: Told, tokens: dict[str | None, Any]) -> Iterator[str]:
    """Only what has a short deadline may miss it: ten minutes are enough for all that happens."""
    person = tokens.get(one.found.row.run_id)
    hasty = person and (person.task.agent == "hasty" or person.task.deadline_s is not None)
    if not hasty:
        yield f"I14: {one.name} missed a deadline of ten minutes"


def _people(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """Each requirement is settled once, by one person."""
    for one in runs:
        answered = Counter(
            e.requirement_id for e in one.run.events if isinstance(e, RequirementResolved)
        )
        asked = {r.id for e in one.run.events if isinstance(e, RunPaused) for r in e.requirements}
        for id, n in answered.items():
            if n > 1:
                yield f"{id} of {one.name} was answered {n} times"
            if id not in asked and "run.paused.v1" in one.types and "confirm" not in id:
                yield f"{id} of {one.name} was never asked"


def _cancels(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """A cancel that was accepted ends its run, also one that overtakes its task, or is told what
    had ended it. What the broker lost before anybody heard it was never accepted."""
    told = {run for _, run, what in world.watch.taken if what == CANCELLED}
    refused = published.refused_cancels(world)
    for one in runs:
        row = one.found.row
        person = world.submitted.get(row.run_id)
        if row.run_id not in told or person is None:
            continue
        lost = person.task.by == "topic" and world.broker.losses
        if CANCELLED not in one.types and row.run_id not in refused and not lost:
            yield f"2.3: the cancel of {one.name} came to nothing: {one.types[-1]}"


def _all_heard(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """What the broker has in the end was heard, also where offsets were given twice."""
    topics = {topic for _, topic, _ in world.broker.offsets} if world.converged else set[str]()
    for topic in sorted(topics):
        for part in world.broker.topics.get(topic, ()):
            missed = [one for one in part.records if identity(one) not in world.heard]
            if missed:
                at = f"{topic}/{missed[0].partition}/{missed[0].offset}"
                yield f"I16: nobody heard {at} and {len(missed) - 1} more"


def _nothing_left(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """Unchecked text is gone, and nothing died as a letter but what was refused or killed
    its workers."""
    if world.converged and world.database.log.held:
        yield f"held text is left: {list(world.database.log.held)}"
    for record in world.broker.history:
        if record.topic.endswith(".dlq") and record.topic != "actalog.tasks.dlq":
            if record.header("dlq-reason") == b"killed":
                continue  # by us: its run pauses, or is told so
            reason = (record.header("dlq-error") or b"").decode()
            yield f"a dead letter in {record.topic}: {reason[:300]}"
