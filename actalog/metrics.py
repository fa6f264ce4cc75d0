"""What a run cost, under Agno's names."""

from dataclasses import dataclass

from actalog_contracts.base import Usage


@dataclass(slots=True)
class RunMetrics:
    """Tokens and calls of a run. `cost` is a decimal string in USD; times are in seconds."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    cost: str | None = None
    time_to_first_token: float | None = None
    duration: float | None = None

    @classmethod
    def of(
        cls,
        usage: Usage,
        *,
        time_to_first_token: float | None = None,
        duration: float | None = None,
    ) -> "RunMetrics":
        return cls(
            input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens, reasoning_tokens=usage.reasoning_tokens,
            cache_read_tokens=usage.cached_tokens, model_calls=usage.model_calls,
            tool_calls=usage.tool_calls, cost=usage.cost,
            time_to_first_token=time_to_first_token, duration=duration,
        )  # fmt: skip
