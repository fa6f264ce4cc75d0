"""OTLP over HTTP: needs actalog[otel], so that it is imported only where OTEL_* asks for it."""

from collections.abc import Mapping

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from actalog_core import tracing


class _Ids(RandomIdGenerator):
    """Random ones, unless a span has been named before it is written."""

    def generate_span_id(self) -> int:
        return tracing.pinned() or super().generate_span_id()


def export(env: Mapping[str, str], *, name: str) -> None:
    """Spans and metrics of this process go out from now on, and the rest at its end."""
    resource = Resource.create({"service.name": name})
    provider = TracerProvider(resource=resource, id_generator=_Ids())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    if env.get("OTEL_METRICS_EXPORTER") != "none":
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        metrics.set_meter_provider(MeterProvider([reader], resource=resource))
