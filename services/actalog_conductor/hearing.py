"""One run hears one message: decide, append, tell. Hearing it twice changes nothing (law 5)."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

import structlog

from actalog_bus.envelope import Postman
from actalog_conductor import agent_run
from actalog_conductor.agent_run import Heard
from actalog_conductor.agent_states import Finished, Identity, Paused, State, Waiting
from actalog_conductor.publish import Publisher
from actalog_contracts.calls import Command, TurnFree
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunEvent
from actalog_core.clock import Clock
from actalog_core.errors import Permanent, SequenceTaken, Transient
from actalog_core.events import RULES_VERSION, decode, encode
from actalog_log import chain
from actalog_log.ports import (
    Append,
    Decision,
    FoundRun,
    Head,
    NewEvent,
    RunLog,
    RunRow,
    Standing,
    StoredEvent,
)  # fmt: skip

CONFLICTS_BEFORE_GIVING_UP = 10
# The net below lost messages: leases and take-over are faster (protocol 5).
WAKE_AFTER = timedelta(seconds=30)

log = structlog.get_logger()


class UnknownDefinition(Permanent):
    """The run's definition is not registered."""


@dataclass(frozen=True, slots=True)
class Live:
    """A run as it stands. `published` is the last seq that was told."""

    row: RunRow
    state: State
    head: Head
    published: int


def identity(row: RunRow) -> Identity:
    return Identity(
        tenant_id=row.tenant_id, run_no=row.run_no, run_id=row.run_id, session_id=row.session_id,
        turn=row.turn, user_id=row.user_id,
    )  # fmt: skip


def standing(state: State) -> Standing:
    match state:
        case Waiting():
            return "waiting"
        case Paused():
            return "paused"
        case Finished():
            return "ended"
        case _:
            return "active"


class Hearing:
    """Lets runs hear. The cache is warmth: the append's fence is truth (law 13)."""

    def __init__(
        self, *, log: RunLog, postman: Postman, publisher: Publisher, clock: Clock,
        most: int = 10_000,
    ) -> None:  # fmt: skip
        self.log, self.postman, self.publisher, self.clock = log, postman, publisher, clock
        self.most = most
        self.live: OrderedDict[int, Live] = OrderedDict()
        self.definitions: dict[str, AgentDefinition] = {}

    def forget(self) -> None:
        """Partitions were assigned: what is cached may be stale (protocol 4.4)."""
        self.live.clear()

    async def begin(self, row: RunRow, definition: AgentDefinition, heard: Heard) -> Live:
        """Append a new run's first events and tell them.

        Raises:
            RunExists, TurnTaken: see RunLog.append.
        """
        self.definitions[row.definition] = definition
        before = Live(
            row, agent_run.initial(identity(row), definition), Head(0, chain.row_digest(row)), 0
        )
        return await self._append(before, agent_run.decide(before.state, heard), new=True)

    async def hear(self, run_no: int, heard: Heard, *, causation: str | None = None) -> Live:
        """Let a run hear a message; the run as it stands then.

        Raises:
            Transient: the log or the bus cannot be reached, or others are always first.
        """
        for _ in range(CONFLICTS_BEFORE_GIVING_UP):
            cached = self.live.get(run_no)
            live = cached or await self.load(run_no)
            events = agent_run.decide(live.state, heard)
            try:
                if events:
                    return await self._append(live, events, causation=causation)
            except SequenceTaken:
                self.live.pop(run_no, None)
                continue
            if cached is None:  # its first hearer may have died between commit and command
                return await self.tell(live)
            if await self.log.last_seq(run_no) == live.head.seq:
                return live
            self.live.pop(run_no, None)
        raise SequenceTaken(f"run_no {run_no}: others were always first")

    async def load(self, run_no: int) -> Live:
        """A run from the log alone."""
        found = await self.log.find_run_no(run_no)
        if found is None:
            raise Transient(f"run_no {run_no} is not in the log")
        return await self.rebuild(found)

    async def rebuild(self, found: FoundRun) -> Live:
        stored = await self.log.read(found.row.run_no)
        definition = await self._definition(found.row.definition)
        state = agent_run.initial(identity(found.row), definition)
        for event in stored:
            state = agent_run.evolve(state, decode(event.type, event.payload))
        head = Head(stored[-1].seq, stored[-1].hash) if stored else found.head
        return self._keep(Live(found.row, state, head, found.published_seq))

    async def tell(self, live: Live) -> Live:
        """Everything again that may not have been told: events, result, and what is due."""
        if live.published < live.head.seq:
            stored = await self.log.read(live.row.run_no, after=live.published)
            await self._publish(live, stored)
        await self._ask(live, frozenset())
        await self._turn_free(live)
        return self._keep(Live(live.row, live.state, live.head, live.head.seq))

    async def _definition(self, digest: str) -> AgentDefinition:
        if digest not in self.definitions:
            stored = await self.log.get_definition(digest)
            if stored is None:
                raise UnknownDefinition(digest)
            self.definitions[digest] = AgentDefinition.model_validate_json(stored)
        return self.definitions[digest]

    def _keep(self, live: Live) -> Live:
        self.live[live.row.run_no] = live
        self.live.move_to_end(live.row.run_no)
        while len(self.live) > self.most:
            self.live.popitem(last=False)
        return live

    async def _append(
        self, before: Live, events: Sequence[RunEvent], *, new: bool = False,
        causation: str | None = None,
    ) -> Live:  # fmt: skip
        now = self.clock()
        state = reduce(agent_run.evolve, events, before.state)
        changed = new or standing(state) != standing(before.state)
        made = tuple(
            NewEvent(kind, payload, now, causation_id=causation, rules_version=RULES_VERSION)
            for kind, payload in map(encode, events)
        )
        append = Append(
            before.row.run_no, before.head, made, row=before.row if new else None,
            standing=standing(state) if changed else None,
            wake_at=now + WAKE_AFTER if changed else None,
        )  # fmt: skip
        (head,) = await self.log.append(Decision((append,)))
        # From here on the commit stands: whatever fails now is told by whoever hears next.
        self.live.pop(before.row.run_no, None)
        linked = chain.link(before.row.run_no, before.head, made)
        live = Live(before.row, state, head, before.published)
        await self._publish(live, chain.verified(linked, before.head.hash))
        await self._ask(live, _asked(before.state))
        if changed:
            await self._turn_free(live)
        return self._keep(Live(live.row, state, head, head.seq))

    async def _publish(self, live: Live, stored: Sequence[StoredEvent]) -> None:
        if stored and stored[0].seq != live.published + 1:
            stored = await self.log.read(live.row.run_no, after=live.published)
        await self.publisher.events(live.row, stored)
        if isinstance(live.state, (Finished, Paused)) and _ends(stored):
            whole = await self.log.read(live.row.run_no)
            await self.publisher.result(live.row, live.state, whole)
        self.log.published(live.row.run_no, live.head.seq)

    async def _ask(self, live: Live, asked: frozenset[str]) -> None:
        for due in agent_run.due(live.state):
            if isinstance(due.command, Command) and due.command.call_id not in asked:
                await self.postman.command(due.command)

    async def _turn_free(self, live: Live) -> None:
        """Whoever ends or pauses looks for the first that waits (protocol 3.3)."""
        if standing(live.state) not in ("paused", "ended") or live.row.turn is None:
            return
        first = await self.log.first_waiting(live.row.tenant_id, live.row.session_id)
        if first is not None:
            row = first.row
            await self.postman.reply(
                TurnFree(
                    tenant_id=row.tenant_id, run_no=row.run_no, run_id=row.run_id,
                    session_id=row.session_id,
                )
            )  # fmt: skip


def _asked(state: State) -> frozenset[str]:
    commands = [due.command for due in agent_run.due(state)]
    return frozenset(one.call_id for one in commands if isinstance(one, Command))


def _ends(stored: Sequence[StoredEvent]) -> bool:
    return any(event.type != "call.settled.v1" for event in stored)
