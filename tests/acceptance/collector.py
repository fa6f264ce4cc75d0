"""A tiny OTLP/HTTP collector: keeps what it is sent."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span:
    """A span as it came over the wire, with plain attributes."""

    def __init__(self, span: Any, service: str) -> None:
        self.name: str = span.name
        self.service = service
        self.trace, self.id = span.trace_id.hex(), span.span_id.hex()
        self.parent: str = span.parent_span_id.hex()
        self.began, self.ended = span.start_time_unix_nano, span.end_time_unix_nano
        self.failed: bool = span.status.code == 2
        self.attributes = {one.key: _value(one.value) for one in span.attributes}

    def __repr__(self) -> str:
        return f"{self.name} ({self.service}) {self.id} of {self.parent or '-'}"


def _value(told: Any) -> Any:
    kind = told.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in told.array_value.values]
    return getattr(told, kind)


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # seven services that end say their last at once, spans and numbers


class Collector:
    """Listens from `start` to `stop`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: dict[str, list[dict[str, Any]]] = {}
        self.paths: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, path: str, body: bytes) -> None:
        """What an exporter sends."""
        self.paths.append(path)
        if path == "/v1/traces":
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            told = ExportMetricsServiceRequest.FromString(body)
            for resource in cast(Any, told).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        points = [
                            {one.key: _value(one.value) for one in point.attributes}
                            for point in metric.histogram.data_points
                        ]
                        self.metrics.setdefault(metric.name, []).extend(points)


def _spans(told: Any) -> Iterator[Span]:
    for resource in told.resource_spans:
        names = {one.key: _value(one.value) for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(span, str(names["service.name"]))
