"""One method per message. Text that is checked gets into no log line and no error."""

import asyncio
from dataclasses import dataclass, field

import orjson
from pydantic import ValidationError

from actalog_bus.envelope import Postman
from actalog_bus.ports import Delivery
from actalog_contracts.base import ToolCall
from actalog_contracts.calls import CheckText, answer
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import InputChecked, OutputReviewed
from actalog_core import crashpoints
from actalog_core.errors import Undecodable
from actalog_core.misfits import misfit
from actalog_guardrails import core
from actalog_log.definitions import PinnedDefinitions
from actalog_log.ports import RunLog

LONG = 16_384  # code points: what takes longer than some milliseconds is checked in a thread


@dataclass
class GuardrailHandlers:
    """Checks are cheap and pure: asked again, they answer again (protocol 6.1)."""

    log: RunLog
    postman: Postman
    definitions: PinnedDefinitions = field(init=False)

    def __post_init__(self) -> None:
        self.definitions = PinnedDefinitions(self.log)

    async def check(self, delivery: Delivery) -> None:
        """Answer a check. One that finds no row is late: somebody has its verdict (9.2)."""
        try:
            command = CheckText.model_validate_json(delivery.record.value or b"")
        except ValidationError as error:
            raise misfit("text.check", error) from None
        if crashpoints.armed:
            crashpoints.reach("log.reading")
        text = command.text
        if command.held is not None:
            text = await self.log.get_held(command.tenant_id, command.held.held)
        if text is None:
            return
        definition = await self.definitions.pinned(command.definition)
        if len(text) > LONG:
            outcome = await asyncio.to_thread(_outcome, command, text, definition)
        else:
            outcome = _outcome(command, text, definition)
        await self.postman.reply(answer(command, outcome), causation=delivery.record)


def _outcome(
    command: CheckText, text: str, definition: AgentDefinition
) -> InputChecked | OutputReviewed:
    if command.stage == "input":
        told = core.verdict(text, definition.input_checks)
        return InputChecked(
            call_id=command.call_id, verdict=told.kind, reasons=told.reasons, spans=told.spans,
            text=None if told.kind == "blocked" else told.text, rules=core.RULES,
        )  # fmt: skip
    said, calls = _message(text, held=command.held is not None)
    answers = command.purpose is None
    told, used = core.reviewed(said, calls, definition.output_checks, answers=answers)
    return OutputReviewed(
        call_id=command.call_id, verdict=told.kind, reasons=told.reasons, spans=told.spans,
        text=None if told.kind == "blocked" else told.text, tool_calls=used, rules=core.RULES,
    )  # fmt: skip


def _message(text: str, *, held: bool) -> tuple[str, tuple[ToolCall, ...]]:
    """A model's message as it waits beside the log; one that is carried has only text."""
    if not held:
        return text, ()
    try:
        told = orjson.loads(text)
        calls = tuple(ToolCall.model_validate(one) for one in told.get("tool_calls", ()))
        return told.get("text") or "", calls
    except (orjson.JSONDecodeError, ValidationError, AttributeError):
        # Without its cause, which would quote the message.
        raise Undecodable("a held message is not of its form") from None
