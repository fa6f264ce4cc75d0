"""From a definition and what runs said to the prompt of a model call. Pure."""

from collections.abc import Mapping, Sequence

import orjson

from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import ContextBuilt, HistoryRun, PromptPart
from actalog_llm.prompt.conversation import Conversation
from actalog_llm.prompt.ids import made_unique
from actalog_llm.prompt.messages import in_short
from actalog_llm.prompt.parts import (
    ASSISTANT,
    EARLIER,
    EXTRA,
    MEDIA,
    PROMPT,
    QUOTE,
    RENDERER,
    SCHEMA,
    SYSTEM,
    TOOLS,
    USER,
    Part,
    Prompt,
    digest_of,
    in_role,
    record_of,
    said,
    taken,
)

THOUGHT = '"reasoning_content":'
Histories = Mapping[int, Sequence[Part]]
"""The parts of other runs, by run_no."""


def needs(conversation: Conversation, purpose: str) -> Sequence[HistoryRun]:
    """The other runs whose parts this prompt shows."""
    if purpose != "answer":
        return conversation.needed[1].refs if conversation.needed else ()
    return conversation.context.history if conversation.context else ()


def as_history(conversation: Conversation) -> list[Part]:
    """A run as later runs see it: without what only its own provider wanted back, but for thoughts
    that it wants back for as long as the conversation goes on (DeepSeek)."""
    return [
        in_role(part, EARLIER) if part.role == MEDIA else part
        for part in conversation.parts() if part.role != EXTRA or THOUGHT in part.text
    ]  # fmt: skip


def head(definition: AgentDefinition, output_schema: str | None) -> list[Part]:
    """What does not depend on the run: tools, schema of the answer, instructions."""
    parts: list[Part] = []
    if definition.tools:
        tools = [
            {"name": one.name, "description": one.description, "parameters": _json(one.parameters)}
            for one in definition.tools
        ]
        parts.append(said(TOOLS, orjson.dumps(tools).decode()))
    if output_schema:
        parts.append(said(SCHEMA, output_schema))
    if text := _system(definition, output_schema):
        parts.append(said(SYSTEM, text))
    return parts


def answer(
    top: Sequence[Part], conversation: Conversation, histories: Histories, params: str
) -> Prompt:
    """The prompt of a run's next turn. `top` is its definition's head."""
    before = [*top, *_context(conversation.context)]
    for run in needs(conversation, "answer"):
        before += histories[run.run_no]
    parts = made_unique([*before, *conversation.parts()])
    recorded = _recorded(parts, len(before), conversation)
    return Prompt(tuple(parts), record_of(recorded, params))


def needed(conversation: Conversation, histories: Histories, params: str) -> Prompt:
    """The prompt that the last ModelNeeded is a recipe for.

    Raises:
        ValueError: the run has none.
    """
    if conversation.needed is None:
        raise ValueError("no service of this run has asked for a model")
    seq, recipe = conversation.needed
    run_no = conversation.run_no
    parts: list[Part] = []
    if recipe.response_schema:
        parts.append(taken(SCHEMA, recipe.response_schema, (run_no, seq, "response_schema")))
    if recipe.template:
        parts.append(taken(SYSTEM, recipe.template, (run_no, seq, "template")))
    for run in recipe.refs:
        parts += [_quoted(part) for part in histories[run.run_no] if part.role != EXTRA]
    if recipe.text:
        parts.append(taken(USER, recipe.text, (run_no, seq, "text")))
    recorded = tuple(part.recorded for part in parts)
    return Prompt(tuple(parts), record_of(recorded, params))


def _recorded(
    parts: Sequence[Part], before: int, conversation: Conversation
) -> tuple[PromptPart, ...]:
    """The record's parts. A prompt that the run has sent before stands for all of its parts, so
    that a run of n turns records O(new) and not O(n x history) (law 9)."""
    told = [part.recorded for part in parts[:before]]
    done = 0
    for cut in conversation.cuts:
        told += [part.recorded for part in parts[before + done : before + cut.at]]
        done = cut.at
        # Another renderer wrote it: what it sent is told again, part for part.
        if cut.renderer == RENDERER and cut.digest == digest_of(told):
            told = [_earlier(conversation.run_no, cut.seq, cut.digest)]
    told += [part.recorded for part in parts[before + done :]]
    return tuple(told)


def _earlier(run_no: int, seq: int, digest: str) -> PromptPart:
    return PromptPart.model_construct(
        role=PROMPT, digest=digest, run_no=run_no, seq=seq, field="prompt", text=None
    )


def _system(definition: AgentDefinition, output_schema: str | None) -> str:
    told: list[str] = []
    if definition.description:
        told.append(definition.description)
    if len(definition.instructions) == 1:
        told.append(definition.instructions[0])
    elif definition.instructions:
        told.append("\n".join(f"- {one}" for one in definition.instructions))
    if definition.expected_output:
        told.append(f"The answer is expected to be: {definition.expected_output}")
    if output_schema:
        told.append(f"Answer with one JSON object and nothing else. Its schema: {output_schema}")
    return "\n\n".join(told)


def _context(context: ContextBuilt | None) -> list[Part]:
    if context is None:
        return []
    told: list[str] = []
    if context.memories:
        notes = "\n".join(f"- {note.text}" for note in context.memories)
        told.append(f"What is known about the user:\n{notes}")
    if context.summary:
        told.append(f"The session so far, in short:\n{context.summary}")
    if context.session_state is not None:
        told.append(f"The session's state, as JSON:\n{context.session_state}")
    return [said(SYSTEM, "\n\n".join(told))] if told else []


def _quoted(part: Part) -> Part:
    """A part of another conversation, shown as text."""
    if part.kind == MEDIA:
        return said(f"{QUOTE}:{USER}", in_short(part.text))
    whose = part.kind if part.kind in (USER, ASSISTANT) else part.role.replace(":", " ")
    recorded = part.recorded.model_copy(update={"role": f"{QUOTE}:{whose}"})
    return Part(f"{QUOTE}:{whose}", part.text, recorded)


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"type": "object"}  # an author's schema that is no JSON describes nothing
