"""Traces over the bus: OpenTelemetry's API, the GenAI conventions, off unless OTEL_* asks.

A message carries `traceparent`; who hears it goes on in that trace. Content is never recorded.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attribute = str | int | float | bool

# GenAI conventions. A run is one agent invocation; its session is the conversation.
INVOKE_AGENT, CHAT, EXECUTE_TOOL = "invoke_agent", "chat", "execute_tool"
OPERATION = "gen_ai.operation.name"
CONVERSATION = "gen_ai.conversation.id"
AGENT = "gen_ai.agent.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
RUN = "actalog.run.id"

_propagator = TraceContextTextMapPropagator()


def extract(traceparent: str | bytes | None) -> Context | None:
    """The trace that a message belongs to."""
    if not traceparent:
        return None
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    return _propagator.extract({"traceparent": text})


def inject() -> str | None:
    """`traceparent` of the span that is open now, for a message; None when nothing is traced."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, Attribute] | None = None,
    *,
    within: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Generator[Span]:
    """A span around what is done inside; an exception marks it as failed, by its type only."""
    tracer = trace.get_tracer("actalog")
    with tracer.start_as_current_span(
        name, within, kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as opened:  # fmt: skip
        try:
            yield opened
        except BaseException as error:
            opened.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


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
    """Export spans by OTLP where OTEL_* asks for it. What is wrong, or None.

    The exporter reads its own variables (address, headers, time-outs).
    """
    if not wanted(env):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        return "OTEL_* asks for traces and actalog[otel] is not installed"
    name = env.get("OTEL_SERVICE_NAME") or f"actalog-{service}"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return None
