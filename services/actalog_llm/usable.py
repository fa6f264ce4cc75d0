"""Whether a message that came whole is of use: what was cut at a limit of tokens, and what says
nothing (decision 0023). Pure."""

import orjson

from actalog_contracts.base import Usage
from actalog_llm.prompt.parts import SCHEMA, TOOL, TOOL_ERROR, Prompt
from actalog_llm.whole import Broken, Whole, estimated, is_object

LIMITS = ("max_tokens", "max_completion_tokens")
REMEDY = (
    "raise max_tokens (or max_completion_tokens) of the model, let it think less, or give it less"
    " to read"
)


class Silent(Broken):
    """Neither a word nor a call. `meant`: the model says that it has ended in order."""

    def __init__(self, message: str, *, meant: bool, usage: Usage) -> None:
        super().__init__("malformed", message, usage=usage)
        self.meant = meant


def broken(whole: Whole, prompt: Prompt) -> Broken | None:
    """Why the message cannot be used, or None."""
    silent = not (whole.calls or whole.text.strip())
    if whole.finish == "length" and (where := _cut(whole, prompt, silent=silent)):
        kind = "context_overflow" if whole.window_full else "truncated"
        said = f"the model reached its limit of tokens {where}{_limit(prompt)}: {REMEDY}"
        return Broken(kind, said, usage=usage_of(whole, prompt), again=False)
    if silent:
        thought = f" after {len(whole.reasoning)} characters of thought" if whole.reasoning else ""
        said = f"the model ended ({whole.finish}) without a word{thought}"
        return Silent(said, meant=whole.finish == "stop", usage=usage_of(whole, prompt))
    return None


def after_tools(prompt: Prompt) -> bool:
    """Whether the last that the model was told is what came of a tool."""
    return bool(prompt.parts) and prompt.parts[-1].kind in (TOOL, TOOL_ERROR)


def usage_of(whole: Whole, prompt: Prompt) -> Usage:
    """What the message has cost; an estimate where its provider says nothing."""
    if whole.usage is not None:
        return whole.usage
    written = len(whole.text) + len(whole.reasoning)
    written += sum(len(call.name) + len(call.arguments) for call in whole.calls)
    return estimated(prompt.chars, written)


def _cut(whole: Whole, prompt: Prompt, *, silent: bool) -> str:
    """Where the message was cut so that what came is of no use; nothing where it is."""
    if silent:
        return "while it was thinking" if whole.reasoning else "before its first word"
    if whole.calls:
        fine = all(is_object(call.arguments) for call in whole.calls)
        return "" if fine else "within the arguments of a tool"
    wants_json = any(part.kind == SCHEMA for part in prompt.parts)
    return "within the JSON asked for" if wants_json and not is_object(whole.text) else ""


def _limit(prompt: Prompt) -> str:
    """What the request itself said of its limit."""
    params = orjson.loads(prompt.record.params)
    return "".join(f" ({name} is {params[name]})" for name in LIMITS if params.get(name))
