"""OpenAI, by chat completions."""

from typing import ClassVar

from actalog.models.base import Model


class OpenAIChat(Model):
    """A model of OpenAI."""

    __slots__ = ()
    provider: ClassVar[str] = "openai"
    default_id: ClassVar[str] = "gpt-5.4"


class OpenAILike(Model):
    """A model behind any OpenAI-compatible address, which `base_url` names."""

    __slots__ = ()
    provider: ClassVar[str] = "openai"
