"""Provider names: those that the llm service reaches, and what else they are called."""

ALIASES = {
    "claude": "anthropic",
    "google": "gemini",
    "azure-openai": "azure",
    "lm-studio": "lmstudio",
}


def provider_named(name: str) -> str | None:
    """The provider's own name; None when nobody is called so."""
    from actalog_llm.providers import PROVIDERS

    wanted = ALIASES.get(name.lower(), name.lower())
    return wanted if wanted in PROVIDERS else None


def known_providers() -> str:
    """Their names, for a message."""
    from actalog_llm.providers import PROVIDERS

    return ", ".join(sorted({*PROVIDERS, *ALIASES}))
