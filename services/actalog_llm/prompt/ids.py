"""Ids and names of tool calls as providers take them, each id once in a prompt."""

import re
from collections.abc import Iterable

from actalog_llm.prompt.parts import TOOL_CALL, CallKey, Part, in_role

# What OpenAI and Anthropic both take: letters, digits, "_" and "-", at most 64 of them.
_NOT_TAKEN = re.compile(r"[^a-zA-Z0-9_-]")
MOST = 64


def wished(provider_id: str) -> str:
    """The model's own id in the letters that all providers take; "" when it gave none."""
    return _NOT_TAKEN.sub("_", provider_id)[:MOST]


def tool_name(name: str) -> str:
    """A model may have called what no provider would take as a tool's name."""
    return _NOT_TAKEN.sub("_", name)[:MOST] or "unnamed"


def role_of_call(kind: str, call_id: str, name: str) -> str:
    """The role of a call, or of its outcome."""
    return f"{kind}:{call_id}:{name}" if kind == TOOL_CALL else f"{kind}:{call_id}"


def made_unique(parts: Iterable[Part]) -> list[Part]:
    """The parts with an id for each call that no other call has: the model's own where it is the
    first to use it, else one made of the call's place in the log. The same for the same parts."""
    given: dict[CallKey, str] = {}
    used: set[str] = set()
    told: list[Part] = []
    for part in parts:
        if part.call is None:
            told.append(part)
            continue
        call_id = given.get(part.call)
        if call_id is None:
            call_id = given[part.call] = _free(part.call, used)
            used.add(call_id)
        told.append(in_role(part, role_of_call(part.kind, call_id, part.name)))
    return told


def _free(call: CallKey, used: set[str]) -> str:
    if call.wished and call.wished not in used:
        return call.wished
    made = f"call_{call.run_no}_{call.seq}_{call.at}"
    while made in used:  # a model that guessed it
        made += "_"
    return made
