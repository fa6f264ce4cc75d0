"""What a warm worker knows of runs: it reads only their new events (design, section 4)."""

from collections import OrderedDict
from collections.abc import Sequence

from actalog_contracts.calls import CallModel
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import HistoryRun
from actalog_core.errors import Transient
from actalog_llm.prompt import render
from actalog_llm.prompt.conversation import Conversation
from actalog_llm.prompt.parts import Part, Prompt
from actalog_llm.wire import params_text
from actalog_log.definitions import PinnedDefinitions
from actalog_log.ports import RunLog


class NotYetInTheLog(Transient):
    """The command names an event that cannot be read yet."""


class PromptCache:
    """Renders prompts from the log. Bounded by runs and by the size of their texts, the least
    recently used go first; what is not in it is read anew, so it holds warmth and no truth."""

    def __init__(self, log: RunLog, *, most: int = 5_000, most_chars: int = 64_000_000) -> None:
        self.log, self.most, self.most_chars = log, most, most_chars
        self.runs: OrderedDict[int, Conversation] = OrderedDict()
        self.chars = 0
        self.definitions = PinnedDefinitions(log)
        self.heads: dict[tuple[str, str | None], Sequence[Part]] = {}

    async def prompt(self, command: CallModel) -> Prompt:
        """The prompt of a command: a projection of the log up to its seq.

        Raises:
            NotYetInTheLog: the log does not reach so far yet.
        """
        definition = await self.definitions.pinned(command.definition)
        # What is carried is not kept: what the next call builds upon was read from the log.
        run = (
            Conversation.begun(command.run_no, command.begun, command.seq)
            if command.begun is not None and command.run_no not in self.runs
            else await self._upto(command.run_no, command.seq)
        )
        histories: dict[int, Sequence[Part]] = {}
        for other in render.needs(run, command.purpose):
            histories[other.run_no] = await self._history(other)
        params = params_text(definition.model)
        if command.purpose != "answer":
            return render.needed(run, histories, params)
        head = self._head(command.definition, definition, run)
        return render.answer(head, run, histories, params)

    def _head(self, digest: str, definition: AgentDefinition, run: Conversation) -> Sequence[Part]:
        schema = run.output_schema or definition.output_schema
        known = self.heads.get((digest, schema))
        if known is None:
            if len(self.heads) >= self.most:  # tasks may bring schemas of their own
                self.heads.clear()
            known = self.heads[digest, schema] = render.head(definition, schema)
        return known

    async def _history(self, other: HistoryRun) -> list[Part]:
        return render.as_history(await self._upto(other.run_no, other.seq))

    async def _upto(self, run_no: int, seq: int) -> Conversation:
        """The run as it was at that event."""
        known = self.runs.get(run_no)
        late = known is not None and known.seq > seq  # an old command: what is newer stays
        run = Conversation(run_no) if known is None or late else known
        if run.seq < seq:
            stored = await self.log.read(run_no, after=run.seq, upto=seq)
            before = run.size
            for event in stored:
                run.hear(event)
            if not late:
                self._keep(run, before if known is run else 0)
        elif known is run:
            self.runs.move_to_end(run_no)
        if run.seq < seq:
            raise NotYetInTheLog(f"run_no {run_no} ends at {run.seq}, before {seq}")
        if run.seq > seq:  # others have read on while we waited
            return await self._upto(run_no, seq)
        return run

    def _keep(self, run: Conversation, before: int) -> None:
        if self.runs.get(run.run_no) is not run:
            replaced = self.runs.get(run.run_no)
            self.chars -= replaced.size if replaced else 0
            before = 0
        self.runs[run.run_no] = run
        self.runs.move_to_end(run.run_no)
        self.chars += run.size - before
        while len(self.runs) > 1 and (len(self.runs) > self.most or self.chars > self.most_chars):
            _, gone = self.runs.popitem(last=False)
            self.chars -= gone.size
