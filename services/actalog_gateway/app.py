"""The application and the service around it."""

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware

from actalog_bus.ports import Bus
from actalog_core.addresses import listed
from actalog_core.clock import Clock, system_clock
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_gateway import (
    problems,
    routes_agentos,
    routes_blobs,
    routes_health,
    routes_later,
    routes_runs,
    routes_schemas,
    routes_sessions,
    routes_stream,
    routes_tasks,
)
from actalog_gateway.acceptance import INBOX_LIMIT, Acceptance
from actalog_gateway.follow import Hub
from actalog_gateway.gateway import Gateway
from actalog_gateway.middleware import BodyLimit, Encodings, Faults, Patience, SafeHeaders, Traced
from actalog_gateway.origins import Origins, is_local
from actalog_gateway.paths import Paths
from actalog_gateway.reader import Reader
from actalog_gateway.server import HttpServer
from actalog_log.ports import RunLog

ROUTERS = (
    routes_tasks.router, routes_runs.router, routes_stream.router, routes_blobs.router,
    routes_health.router, routes_schemas.router, routes_agentos.router, routes_sessions.router, routes_later.router,
)  # fmt: skip


def build_app(
    *, bus: Bus, log: RunLog, settings: Settings, clock: Clock = system_clock,
    inbox_limit: int = INBOX_LIMIT,
) -> Service:  # fmt: skip
    """The gateway over a bus and a log; whoever runs it starts the bus last."""
    gateway = build_gateway(
        bus=bus, log=log, settings=settings, clock=clock, inbox_limit=inbox_limit
    )
    server = HttpServer(
        build_http(gateway), host=settings.host, port=settings.port, closing=gateway.hub.close
    )
    return Service("gateway", [gateway.hub, gateway.acceptance, server], [gateway.missing])


def build_gateway(
    *, bus: Bus, log: RunLog, settings: Settings, clock: Clock = system_clock,
    inbox_limit: int = INBOX_LIMIT,
) -> Gateway:  # fmt: skip
    """Acceptance, fan-out and reading, without HTTP."""
    prefix = settings.topic_prefix
    acceptance = Acceptance(
        bus=bus, log=log, prefix=prefix, reply_topics=settings.reply_topics,
        inbox_limit=inbox_limit, clock=clock,
    )  # fmt: skip
    return Gateway(
        bus=bus, log=log, settings=settings, acceptance=acceptance,
        hub=Hub(bus=bus, log=log, prefix=prefix), reader=Reader(log), clock=clock,
        started_at=clock(),
    )  # fmt: skip


def routed() -> FastAPI:
    """The routes alone: what `/openapi.json` tells."""
    # `Traced` writes one span for what is posted; FastAPI's own would be three for every request.
    off: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    app = FastAPI(
        title="Actalog", version="1", docs_url=None, redoc_url=None, telemetry=off,
        redirect_slashes=False,
    )  # fmt: skip
    # As they are: FastAPI looks twice through the routers that are included, for each request.
    app.router.routes.extend(route for router in ROUTERS for route in router.routes)
    return app


def build_http(gateway: Gateway) -> FastAPI:
    """The ASGI application."""
    app = routed()
    app.state.gateway = gateway
    app.state.routes = [route for router in ROUTERS for route in router.routes]
    problems.install(app)
    origins = listed(gateway.settings.cors_origins)
    app.add_middleware(Faults)
    app.add_middleware(Origins, origins=origins, local=is_local(gateway.settings.host))
    app.add_middleware(BodyLimit)
    app.add_middleware(Encodings)
    app.add_middleware(Patience)
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"],
            expose_headers=["Location", "Retry-After"],
        )  # fmt: skip
    app.add_middleware(SafeHeaders)
    app.add_middleware(Traced)
    app.add_middleware(Paths)
    return app
