"""Adapters by wire format, imported when they are first needed: an SDK takes a second or two."""

import asyncio

from actalog_contracts.definitions import AgentDefinition
from actalog_llm.adapters.clients import Clients
from actalog_llm.ports import Adapter
from actalog_llm.providers import Dialect, provider
from actalog_log.ports import RunLog


class Adapters:
    """A part of the service: owns the clients."""

    def __init__(self, clients: Clients, log: RunLog | None = None) -> None:
        self.clients, self.log = clients, log
        self.loaded: dict[Dialect, Adapter] = {}
        self.warming: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Import in the background what the registered definitions will ask for."""
        if self.log is not None:
            self.warming = asyncio.create_task(self._warm(self.log))

    async def stop(self) -> None:
        if self.warming is not None:
            self.warming.cancel()
        await self.clients.close()

    def ready(self) -> str | None:
        return None

    async def of(self, dialect: Dialect) -> Adapter:
        """The adapter of a wire format. The loop goes on while an SDK is imported."""
        known = self.loaded.get(dialect)
        if known is None:
            made = await asyncio.to_thread(_load, dialect, self.clients)
            known = self.loaded.setdefault(dialect, made)
        return known

    async def _warm(self, log: RunLog) -> None:
        try:
            registered = await log.current_definitions()
        except Exception:  # noqa: BLE001, warming is a favour
            return  # the database is not there yet: the first call imports
        agents = [body for kind, _, _, body in registered if kind == "agent"]
        models = [AgentDefinition.model_validate_json(body).model for body in agents]
        wanted: set[Dialect] = {provider(model.provider).dialect for model in models}
        for dialect in wanted:
            await self.of(dialect)


def _load(dialect: Dialect, clients: Clients) -> Adapter:
    match dialect:
        case "openai":
            from actalog_llm.adapters.openai_chat import OpenAIChat

            return OpenAIChat(clients)
        case "anthropic":
            from actalog_llm.adapters.anthropic_messages import AnthropicMessages

            return AnthropicMessages(clients)
