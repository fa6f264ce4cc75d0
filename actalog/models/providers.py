"""The providers that the llm service reaches, and other names they go by."""

PROVIDERS: dict[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "claude": "anthropic",
    "azure": "azure",
    "azure-openai": "azure",
    "gemini": "gemini",
    "google": "gemini",
    "groq": "groq",
    "lmstudio": "lmstudio",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "vllm": "vllm",
}


def known_providers() -> str:
    """Their names, for a message."""
    return ", ".join(sorted(set(PROVIDERS)))
