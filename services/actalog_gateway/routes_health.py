"""For those who watch: live, ready, metrics; and AgentOS's own form of health."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from actalog_core import metrics
from actalog_core.clock import rfc3339
from actalog_gateway import described
from actalog_gateway.gateway import Gate

router = APIRouter(tags=["health"], responses=described.ERRORS)


@router.get("/health")
async def health(gate: Gate) -> dict[str, str]:
    """AgentOS's clients ask this to see whether the platform is online."""
    return {"status": "ok", "instantiated_at": rfc3339(gate.started_at)}


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The event loop turns, which answering shows."""
    return {"status": "live", "service": "gateway"}


@router.get("/health/ready", responses=described.READY)
async def ready(gate: Gate) -> JSONResponse:
    """Ready to accept: the database answers and the inbox is below its limit. Kafka being down
    is told, and accepting goes on."""
    lacks = await gate.missing()
    metrics.READY.labels("gateway").set(lacks is None)
    told = {
        "status": "not ready" if lacks else "ready", "service": "gateway",
        "missing": [lacks] if lacks else [],
        "kafka": gate.bus.ready() or "connected",
    }  # fmt: skip
    return JSONResponse(told, 503 if lacks else 200)


@router.get("/metrics", response_class=Response, responses=described.METRICS)
async def exposition() -> Response:
    """Prometheus' text format."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
