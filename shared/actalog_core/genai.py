"""Metrics of model calls by the GenAI conventions, for those who collect them by OTLP. Without an
exporter they cost next to nothing; `/metrics` has the same numbers under our own names."""

from opentelemetry import metrics

from actalog_core import tracing

TOKENS, SECONDS = "gen_ai.client.token.usage", "gen_ai.client.operation.duration"

_meter = metrics.get_meter("actalog")
_tokens = _meter.create_histogram(TOKENS, unit="{token}", description="Tokens of a model call.")
_seconds = _meter.create_histogram(SECONDS, unit="s", description="Duration of a model call.")


def called(
    provider: str, model: str, *, seconds: float, input_tokens: int = 0, output_tokens: int = 0,
    error: str | None = None,
) -> None:  # fmt: skip
    """A model call came to its end; `error` is its kind when it failed."""
    about = {
        tracing.OPERATION: tracing.CHAT, tracing.PROVIDER: tracing.provider(provider),
        tracing.REQUEST_MODEL: model,
    }  # fmt: skip
    _seconds.record(seconds, about if error is None else {**about, tracing.ERROR: error})
    if error is None:
        _tokens.record(input_tokens, {**about, "gen_ai.token.type": "input"})
        _tokens.record(output_tokens, {**about, "gen_ai.token.type": "output"})
