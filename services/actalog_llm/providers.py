"""Which providers there are, where they are, and which setting has their key."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from actalog_contracts.definitions import ModelChoice
from actalog_core.settings import Settings

Dialect = Literal["openai", "anthropic"]
NO_KEY = "none"  # the SDKs want a key; a server that checks none is sent this one


@dataclass(frozen=True, slots=True)
class Provider:
    """`base_url` None: the setting must name it. `needs_key`: its default address asks for one."""

    name: str
    base_url: str | None
    dialect: Dialect = "openai"
    needs_key: bool = True
    key_header: str | None = None  # sent beside the usual bearer token
    json_schema: bool = False  # takes a schema for the answer with every model
    asked_usage: bool = True  # tells a stream's usage when asked; others tell it, and refuse that
    short_ids: bool = False  # takes ids of tool calls of nine letters and digits, and no others
    thoughts: Literal["dropped", "echoed", "needed"] = "dropped"
    """Of `reasoning_content`: `echoed`, what came goes back; `needed`, a message without is refused."""


PROVIDERS: Mapping[str, Provider] = {
    one.name: one
    for one in (
        Provider("openai", "https://api.openai.com/v1", json_schema=True),
        Provider("anthropic", "https://api.anthropic.com", "anthropic"),
        Provider("ollama", "http://127.0.0.1:11434/v1", needs_key=False, json_schema=True),
        Provider("lmstudio", "http://127.0.0.1:1234/v1", needs_key=False, json_schema=True),
        Provider("vllm", "http://127.0.0.1:8000/v1", needs_key=False, json_schema=True),
        Provider("groq", "https://api.groq.com/openai/v1"),
        Provider("openrouter", "https://openrouter.ai/api/v1", json_schema=True),
        Provider("gemini", "https://generativelanguage.googleapis.com/v1beta/openai"),
        Provider("azure", None, key_header="api-key", json_schema=True),
        Provider("mistral", "https://api.mistral.ai/v1", asked_usage=False, short_ids=True),
        Provider("cohere", "https://api.cohere.ai/compatibility/v1", asked_usage=False),
        Provider("deepseek", "https://api.deepseek.com/v1", thoughts="needed"),
        Provider("together", "https://api.together.xyz/v1"),
        Provider("fireworks", "https://api.fireworks.ai/inference/v1"),
        Provider("xai", "https://api.x.ai/v1"),
        Provider("openai_like", None, needs_key=False, thoughts="echoed"),
    )
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is called. The key is not shown."""

    dialect: Dialect
    base_url: str
    api_key: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class NotConfigured(Exception):
    """No request can be sent; the message says which setting mends it."""

    def __init__(self, kind: Literal["auth", "invalid_request"], message: str) -> None:
        super().__init__(message)
        self.kind: Literal["auth", "invalid_request"] = kind
        self.message = message


def provider(name: str) -> Provider:
    """What is known of a provider; one that is not known is like `openai_like`."""
    return PROVIDERS.get(name) or replace(PROVIDERS["openai_like"], name=name)


def endpoint(choice: ModelChoice, settings: Settings) -> Endpoint:
    """Where this choice leads: its own address, else the setting's, else the provider's.

    Raises:
        NotConfigured: the provider is not known, or an address or key is missing.
    """
    known = PROVIDERS.get(choice.provider)
    if known is None:
        if choice.base_url is None:
            names = ", ".join(sorted(PROVIDERS))
            said = f"There is no provider {choice.provider!r} without a base_url. Known: {names}."
            raise NotConfigured("invalid_request", said)
        known = provider(choice.provider)
    upper = known.name.upper()
    named = (choice.base_url or _url(known.name, settings) or "").strip() or None
    base_url = named or known.base_url
    if base_url is None:
        said = f"{known.name} has no address of its own: set {upper}_BASE_URL or the base_url."
        raise NotConfigured("invalid_request", said)
    if not _is_address(base_url):
        said = f"The address of {known.name} is no http:// or https:// URL: {upper}_BASE_URL or base_url."
        raise NotConfigured("invalid_request", said)
    if known.dialect == "anthropic":  # as most write it; the path of a request has its own /v1
        base_url = base_url.rstrip("/").removesuffix("/v1")
    key = (_key(known.name, settings) or "").strip() or None
    if key is not None and not (key.isascii() and key.isprintable()):
        said = f"{upper}_API_KEY has characters that no key has: was it copied with something?"
        raise NotConfigured("auth", said)
    # A server that somebody named may check no key; the provider's own always does.
    if key is None and known.needs_key and (named is None or known.base_url is None):
        said = f"{known.name} needs a key: set {upper}_API_KEY (or {upper}_API_KEY_FILE)"
        raise NotConfigured("auth", f"{said} where the llm service runs.")
    headers = ((known.key_header, key),) if known.key_header and key else ()
    return Endpoint(known.dialect, base_url, key or NO_KEY, headers)


def whereabouts(choice: ModelChoice, endpoint: Endpoint) -> str:
    """Which server that is, and what says so. Passwords and queries of its address are not shown."""
    url = urlsplit(endpoint.base_url)
    setting = f"{choice.provider.upper()}_BASE_URL or " if choice.provider in PROVIDERS else ""
    host = url.netloc.rpartition("@")[2]
    return f"{choice.provider} at {url.scheme}://{host}{url.path}: {setting}base_url says where"


@lru_cache(1_024)
def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # half an IPv6 address, a port that is none
        return False


def _key(name: str, settings: Settings) -> str | None:
    match name:
        case "openai":
            return settings.openai_api_key
        case "anthropic":
            return settings.anthropic_api_key
        case _:
            return settings.provider_keys.get(name)


def _url(name: str, settings: Settings) -> str | None:
    match name:
        case "openai":
            return settings.openai_base_url
        case "anthropic":
            return settings.anthropic_base_url
        case _:
            return settings.provider_urls.get(name)
