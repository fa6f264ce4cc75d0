"""A prompt in the form of its provider: what is sent, and what of it stands beside the messages."""

from typing import Any

import orjson

from actalog_contracts.definitions import ModelChoice
from actalog_llm import wire_anthropic, wire_openai
from actalog_llm.prompt.messages import assemble
from actalog_llm.prompt.parts import Prompt
from actalog_llm.providers import PROVIDERS, dialect_of


def params_text(choice: ModelChoice) -> str:
    """JSON of what is sent beside messages, tools and schema; the same for every call of a model."""
    match dialect_of(choice.provider):
        case "openai":
            told = wire_openai.params(choice.id, _given(choice))
        case "anthropic":
            told = wire_anthropic.params(choice.id, _given(choice))
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


def body(choice: ModelChoice, prompt: Prompt) -> dict[str, Any]:
    """The request's JSON: a function of the prompt's parts and parameters, and of nothing else."""
    messages = assemble(prompt.parts)
    params = orjson.loads(prompt.record.params)
    match dialect_of(choice.provider):
        case "openai":
            known = PROVIDERS.get(choice.provider)
            schema = known is not None and known.json_schema
            return wire_openai.body(messages, params, json_schema=schema)
        case "anthropic":
            return wire_anthropic.body(messages, params)


def _given(choice: ModelChoice) -> dict[str, Any]:
    try:
        given: object = orjson.loads(choice.params or "{}")
    except orjson.JSONDecodeError:
        return {}
    return given if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType]
