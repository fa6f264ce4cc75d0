"""A model as an author names it, and the choice that travels in a definition."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from actalog.errors import BadCall, BadDefinition
from actalog.given import milliseconds, text, times
from actalog.models.providers import known_providers, provider_named
from actalog.parameters import refuse
from actalog.unsupported import MODEL_NOT_YET
from actalog_contracts.definitions import ModelChoice
from actalog_core import addresses

DEFAULT_MODEL = "openai:gpt-5.4"


class Model:
    """A provider's model. Parameters that are None are left to the provider.

    `timeout` is the time to the first token and between tokens, in seconds; `retries` how often a
    failed call is tried again. `extra` is added to the request as it is.
    """

    provider: ClassVar[str] = ""
    default_id: ClassVar[str] = ""
    default_base_url: ClassVar[str | None] = None
    names: ClassVar[Mapping[str, str]] = {}  # parameters the provider calls otherwise

    __slots__ = ("base_url", "id", "name", "params", "retries", "timeout")
    in_tests: ClassVar[bool] = False  # whether only a test's own platform can ask it

    def __new__(cls, *args: Any, **given: Any) -> Self:
        if not given.keys() <= PARAMETERS:
            key = f"{cls.provider.upper()}_API_KEY"
            told = {name: hint.format(key=key) for name, hint in MODEL_NOT_YET.items()}
            refuse(cls.__name__, given, known=PARAMETERS, not_yet=told)
        return object.__new__(cls)

    def __init__(
        self,
        id: str | None = None,
        *,
        name: str | None = None,
        base_url: str | None = None,
        host: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: int | None = None,
        max_output_tokens: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        seed: int | None = None,
        stop: str | list[str] | None = None,
        stop_sequences: list[str] | None = None,
        reasoning_effort: str | None = None,
        request_params: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> None:
        given = {
            "temperature": temperature, "top_p": top_p, "top_k": top_k, "max_tokens": max_tokens,
            "max_completion_tokens": max_completion_tokens, "max_output_tokens": max_output_tokens,
            "frequency_penalty": frequency_penalty, "presence_penalty": presence_penalty,
            "seed": seed, "stop": stop, "stop_sequences": stop_sequences,
            "reasoning_effort": reasoning_effort,
        }  # fmt: skip
        self.id = id or self.default_id
        self.name = name
        self.base_url = base_url or host or self.default_base_url
        named = {self.names.get(name, name): value for name, value in given.items()}
        self.params = {name: value for name, value in named.items() if value is not None}
        self.params |= self._more("request_params", request_params)
        self.params |= self._more("extra_body", extra_body)
        self.timeout = timeout
        self.retries = retries

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"

    def _more(self, name: str, given: Any) -> Mapping[str, Any]:
        if given is not None and not isinstance(given, Mapping):
            raise BadDefinition(f"{type(self).__name__}: {name} must be a dict, not {given!r}.")
        return cast("Mapping[str, Any]", given or {})

    def choice(self) -> ModelChoice:
        """The model as a value.

        Raises:
            BadDefinition: no id, or a parameter that is not JSON.
        """
        who = type(self).__name__
        if not self.id:
            raise BadDefinition(f"{who} needs an id: which model?")
        try:
            params = json.dumps(self.params, sort_keys=True, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise BadDefinition(f"{self!r}: a parameter is not JSON: {error}") from error
        return ModelChoice(
            provider=self.provider, id=text(who, "id", self.id),
            base_url=None if self.base_url is None else _address(who, self.base_url),
            params=params,
            **_timing(who, self.timeout, self.retries, slow=_slow(self.provider, self.params)),
        )  # fmt: skip


def _address(who: str, given: Any) -> str:
    if not addresses.is_http(text(who, "base_url", given)):
        raise BadDefinition(f"{who}: base_url={given!r}: {addresses.HTTP_WANTED}.")
    return given


PARAMETERS: frozenset[str] = frozenset({"id", *(Model.__init__.__kwdefaults__ or {})})


SLOW_MS = 300_000  # to the first token
QUICK = ("none", "minimal", "low", "disabled")
# They load a model when it is first asked, and Ollama begins anew when nobody waits for it.
LOADING = ("ollama", "lmstudio")


def _slow(provider: str, params: Mapping[str, Any]) -> bool:
    """Whether the model may have to be loaded, or is asked for much thought: OpenAI's think
    without a word."""
    if provider in LOADING:
        return True
    for name in ("reasoning_effort", "reasoning", "thinking"):
        asked = params.get(name)
        if isinstance(asked, Mapping):
            asked = asked.get("effort") or asked.get("type") or "asked"  # pyright: ignore
        if asked and asked not in QUICK:
            return True
    return False


def _timing(
    who: str, timeout: float | None, retries: int | None, *, slow: bool = False
) -> dict[str, Any]:
    told: dict[str, Any] = {"first_token_timeout_ms": SLOW_MS} if slow else {}
    if timeout is not None:
        wait_ms = milliseconds(who, "timeout", timeout, 0)
        told["first_token_timeout_ms"] = told["between_tokens_timeout_ms"] = wait_ms
    if retries is not None:
        told["max_attempts"] = times(who, "retries", retries) + 1
    return told


def choice(
    model: "Model | str | None", *, retries: int | None = None, who: str = "model"
) -> ModelChoice:
    """The choice that `"provider:model"`, an object, or nothing means.

    Raises:
        BadDefinition: the provider is unknown, or there is no model in it.
    """
    match model:
        case None:
            made = parse(DEFAULT_MODEL)
        case str():
            made = parse(model)
        case Model():
            made = model.choice()
        case _:  # pyright: ignore[reportUnnecessaryComparison]  # an author may not check types
            raise BadDefinition(f"model={model!r}: give 'provider:model' or a model object.")
    return made if retries is None else made.model_copy(update=_timing(who, None, retries))


def outside_tests(model: object, *, who: str) -> None:
    """Nothing, where any platform can ask this model.

    Raises:
        BadCall: it speaks in a test only; elsewhere another one would answer in its name.
    """
    if isinstance(model, Model) and model.in_tests:
        raise BadCall(
            f"{who} has a {type(model).__name__}, which speaks in actalog.testing.isolated_platform"
            " only: run it there, with platform.run(agent, ...)."
        )


def parse(text: str) -> ModelChoice:
    """`openai:gpt-5.4` as a choice.

    Raises:
        BadDefinition: see `choice`.
    """
    provider, colon, id = text.partition(":")
    named = provider_named(provider.strip())
    if not colon or not id.strip():
        raise BadDefinition(f"model={text!r}: write 'provider:model', as in {DEFAULT_MODEL!r}.")
    if named is None:
        raise BadDefinition(
            f"model={text!r}: unknown provider {provider!r}; known are {known_providers()}."
        )
    timing = _timing("model", None, None, slow=_slow(named, {}))
    return ModelChoice(provider=named, id=id.strip(), **timing)
