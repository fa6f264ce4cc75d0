"""OpenAI, by chat completions."""

from typing import ClassVar

from actalog.models.base import Model


class OpenAIChat(Model):
    """A model of OpenAI."""

    __slots__ = ()
    provider: ClassVar[str] = "openai"
    default_id: ClassVar[str] = "gpt-5.4"


class OpenAILike(Model):
    """A model behind any OpenAI-compatible address, which `base_url` names. Its key, if it wants
    one, is OPENAI_LIKE_API_KEY: OpenAI's own is never sent there."""

    __slots__ = ()
    provider: ClassVar[str] = "openai_like"
