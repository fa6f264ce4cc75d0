"""Traces over the bus: OpenTelemetry's API, the GenAI conventions, off unless OTEL_* asks.

A message carries `traceparent`; who hears it goes on in that trace. Content is never recorded.
"""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attribute = str | int | float | bool | tuple[str, ...]

# GenAI conventions. A run is one agent invocation; its session is the conversation.
INVOKE_AGENT, CHAT, EXECUTE_TOOL = "invoke_agent", "chat", "execute_tool"
OPERATION = "gen_ai.operation.name"
CONVERSATION = "gen_ai.conversation.id"
AGENT, AGENT_ID = "gen_ai.agent.name", "gen_ai.agent.id"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
FINISH = "gen_ai.response.finish_reasons"
TOOL_NAME, TOOL_TYPE = "gen_ai.tool.name", "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
RUN = "actalog.run.id"
ERROR = "error.type"
# Providers have names of their own in the conventions.
PROVIDERS = {
    "gemini": "gcp.gemini", "azure": "azure.ai.openai", "mistral": "mistral_ai", "xai": "x_ai",
}  # fmt: skip
STATE = "actalog"  # our entry of `tracestate`

NOTHING: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)
_pinned: ContextVar[int | None] = ContextVar("actalog_span_id", default=None)
_propagator = TraceContextTextMapPropagator()


def provider(name: str) -> str:
    """What the conventions call a provider."""
    return PROVIDERS.get(name, name)


def extract(
    traceparent: str | bytes | None, tracestate: str | bytes | None = None
) -> Context | None:
    """The trace that a message belongs to."""
    if not traceparent:
        return None
    carrier = {"traceparent": _text(traceparent)}
    if tracestate:
        carrier["tracestate"] = _text(tracestate)
    return _propagator.extract(carrier)


def _text(header: str | bytes) -> str:
    return header.decode("ascii", "replace") if isinstance(header, bytes) else header


def traceparent(here: SpanContext, parent: int) -> str:
    """The header of a message whose hearing is a child of span `parent`."""
    return f"00-{here.trace_id:032x}-{parent:016x}-{here.trace_flags:02x}"


def tracestate(here: SpanContext, begun: int) -> str:
    """The header that carries on which span began the run."""
    state = here.trace_state
    change = state.update if STATE in state else state.add
    return change(STATE, f"{begun:016x}").to_header()


def begun(here: SpanContext) -> int | None:
    """The span that began the run, as `tracestate` tells."""
    try:
        return int(here.trace_state.get(STATE) or "", 16) or None
    except ValueError:
        return None


def afterwards(
    name: str, attributes: Mapping[str, Attribute], *, trace: SpanContext, parent: int,
    span_id: int, began: datetime, ended: datetime, error: str | None = None,
) -> None:  # fmt: skip
    """Write a span of the past, under an id that others have named before."""
    from opentelemetry.trace import get_tracer, set_span_in_context

    above = SpanContext(trace.trace_id, parent, True, trace.trace_flags, trace.trace_state)
    pinned = _pinned.set(span_id)
    try:
        span = get_tracer("actalog").start_span(
            name, set_span_in_context(NonRecordingSpan(above)), SpanKind.INTERNAL,
            attributes=attributes, start_time=_nanoseconds(began),
        )  # fmt: skip
    finally:
        _pinned.reset(pinned)
    if error is not None:
        failed(span, error)
    span.end(_nanoseconds(ended))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000


def inject() -> str | None:
    """`traceparent` of the span that is open now, for a message; None when nothing is traced."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def span(
    name: str,
    attributes: Mapping[str, Attribute] | None = None,
    *,
    within: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> AbstractContextManager[Span]:
    """A span around what is done inside; an exception marks it as failed, by its type only.

    Where nobody exports and no trace is to be gone on in, it costs next to nothing.
    """
    if within is None and not exported():
        return NOTHING
    return _opened(name, attributes, within, kind)


def exported() -> bool:
    """Whether somebody exports spans. Else nobody needs to think of what they would say."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def _opened(
    name: str, attributes: Mapping[str, Attribute] | None, within: Context | None, kind: SpanKind
) -> Generator[Span]:
    tracer = trace.get_tracer("actalog")
    with tracer.start_as_current_span(
        name, within, kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as opened:  # fmt: skip
        try:
            yield opened
        except BaseException as error:
            failed(opened, type(error).__name__)
            raise


def failed(span: Span, kind: str) -> None:
    """It failed; content is never recorded, so only of what kind that was."""
    span.set_attribute(ERROR, kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def wanted(env: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces."""
    if (
        env.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or env.get("OTEL_TRACES_EXPORTER") == "none"
    ):
        return False
    told = (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_TRACES_EXPORTER",
    )
    return any(env.get(name) for name in told)


def configure(env: Mapping[str, str], *, service: str) -> str | None:
    """Export spans and metrics of model calls by OTLP where OTEL_* asks for it. What is wrong,
    or None.

    The exporters read their own variables (address, headers, time-outs).
    """
    if not wanted(env):
        return None
    protocol = env.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        return f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; only http/protobuf is spoken here"
    try:
        from actalog_core.exporting import export
    except ImportError:
        return "OTEL_* asks for traces and actalog[otel] is not installed"
    export(env, name=env.get("OTEL_SERVICE_NAME") or f"actalog-{service}")
    return None


def pinned() -> int | None:
    """The id that the next span is to have."""
    return _pinned.get()
