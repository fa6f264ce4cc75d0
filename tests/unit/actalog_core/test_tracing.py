import pytest
from opentelemetry import trace

from actalog_core import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_message_goes_on_in_the_trace_of_the_one_before():
    with tracing.span("chat", within=tracing.extract(PARENT.encode())):
        said = tracing.inject()
    assert said is not None
    assert said.startswith("00-0af7651916cd43dd8448eb211c80319c-")


def test_without_a_trace_nothing_is_injected():
    assert tracing.extract(None) is None
    with tracing.span("chat"):
        assert tracing.inject() is None


def test_a_broken_traceparent_is_none():
    with tracing.span("chat", within=tracing.extract(b"\xff\xfe nonsense")):
        assert not trace.get_current_span().get_span_context().is_valid


def test_an_exception_passes_through():
    with pytest.raises(ValueError, match="boom"), tracing.span("chat"):
        raise ValueError("boom")


@pytest.mark.parametrize(
    ("env", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
    ],
)
def test_traces_are_off_unless_the_standard_variables_ask(env: dict[str, str], asked: bool):
    assert tracing.wanted(env) is asked
    if not asked:
        assert tracing.configure(env, service="llm") is None
