"""A prompt in the form of its provider: what is sent, and what of it stands beside the messages."""

from typing import Any

import orjson

from actalog_contracts.definitions import ModelChoice
from actalog_llm import wire_anthropic, wire_openai
from actalog_llm.media import Blobs, filled
from actalog_llm.prompt.messages import assemble
from actalog_llm.prompt.parts import Prompt
from actalog_llm.providers import provider

NO_BLOBS: Blobs = {}


def params_text(choice: ModelChoice) -> str:
    """JSON of what is sent beside messages, tools and schema; the same for every call of a model."""
    known = provider(choice.provider)
    match known.dialect:
        case "openai":
            told = wire_openai.params(choice.id, _given(choice), known)
        case "anthropic":
            told = wire_anthropic.params(choice.id, _given(choice))
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


def body(choice: ModelChoice, prompt: Prompt, blobs: Blobs = NO_BLOBS) -> dict[str, Any]:
    """The request's JSON: a function of the prompt's parts and parameters, of the blobs that they
    name, and of nothing else.

    Raises:
        NotTaken: the provider takes no such thing as the run brought, or a blob is not there.
    """
    messages = filled(assemble(prompt.parts), blobs)
    params = orjson.loads(prompt.record.params)
    known = provider(choice.provider)
    match known.dialect:
        case "openai":
            return wire_openai.body(messages, params, known)
        case "anthropic":
            return wire_anthropic.body(messages, params)


def _given(choice: ModelChoice) -> dict[str, Any]:
    try:
        given: object = orjson.loads(choice.params or "{}")
    except orjson.JSONDecodeError:
        return {}
    return given if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType]
