"""Without any model key the scripted model server answers, and every answer says so."""

from actalog_bus.processes import free_port
from actalog_core.settings import Settings
from actalog_testing.scripted import ScriptedServer

KEY = "scripted"  # the SDKs want one


def named(settings: Settings) -> bool:
    """Whether any key or address of a model is set."""
    told = (settings.openai_api_key, settings.openai_base_url, settings.anthropic_api_key,
            settings.anthropic_base_url, settings.provider_keys, settings.provider_urls)  # fmt: skip
    return any(told)


def scripted_unless_named(settings: Settings) -> tuple[Settings, ScriptedServer | None]:
    """The settings to use, and the server that must be started with them; None: a key is set."""
    if named(settings):
        return settings, None
    server = ScriptedServer(free_port())
    pointed = {
        "openai_api_key": KEY, "openai_base_url": f"{server.base_url}/v1",
        "anthropic_api_key": KEY, "anthropic_base_url": server.base_url,
    }  # fmt: skip
    return settings.model_copy(update=pointed), server
