"""Routes that have their place and are not served by this version: they say so."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from actalog_gateway import described
from actalog_gateway.problems import Problem, response

router = APIRouter(tags=["not in this version"], responses=described.ERRORS)

LATER = {
    "/v1/chat/completions": "OpenAI's chat completions",
    "/v1/responses": "OpenAI's responses",
    "/v1/chat/completions/{path:path}": "OpenAI's chat completions",
    "/v1/responses/{path:path}": "OpenAI's responses",
    "/v1/models": "OpenAI's models",
    "/v1/models/{path:path}": "OpenAI's models",
    "/v1/runs/{run_id}/fork": "forks of runs",
    "/v1/runs/{run_id}/continue": "continuing a finished run",
    "/v1/knowledge": "knowledge",
    "/v1/knowledge/{path:path}": "knowledge",
    # AgentOS's: a 404 of these would mean that there is no such session or run.
    "/sessions": "sessions that are written or deleted",
    "/sessions/{session_id}": "sessions that are written or deleted",
    "/sessions/{session_id}/rename": "sessions that are written or deleted",
    "/sessions/{session_id}/media/{path:path}": "media of sessions",
    "/agents/{agent_id}/runs/{run_id}/resume": "resuming a stream of AgentOS's",
    "/agents/{agent_id}/runs/{run_id}/checkpoints": "checkpoints",
    "/agents/{agent_id}/runs/{run_id}/checkpoints/{path:path}": "checkpoints",
    "/agents/{agent_id}/sessions/{session_id}/fork": "forks of sessions",
    "/agents/{agent_id}/sessions/{session_id}/compact": "compacting sessions",
    "/memories": "memories over HTTP",
    "/memories/{path:path}": "memories over HTTP",
    "/memory_topics": "memories over HTTP",
    "/user_memory_stats": "memories over HTTP",
    "/optimize-memories": "memories over HTTP",
    "/learnings": "learnings",
    "/learnings/{path:path}": "learnings",
    "/knowledge/{path:path}": "knowledge",
    "/eval-runs": "evals",
    "/eval-runs/{path:path}": "evals",
    "/traces": "traces over HTTP",
    "/traces/{path:path}": "traces over HTTP",
    "/trace_session_stats": "traces over HTTP",
    "/metrics/refresh": "AgentOS's metrics",
    "/metrics/refresh/status": "AgentOS's metrics",
    "/approvals": "approvals",
    "/approvals/{path:path}": "approvals",
    "/schedules": "schedules",
    "/schedules/{path:path}": "schedules",
    "/components": "components",
    "/components/{path:path}": "components",
    "/registry": "the registry",
    "/queue/{path:path}": "AgentOS's queue",
    "/databases/{path:path}": "migrations over HTTP",
}


async def _later(request: Request) -> JSONResponse:
    what = LATER[request.scope["route"].path]
    return response(Problem("not_supported", f"{what}: not supported by this version"))


for _path in LATER:
    router.add_api_route(
        _path,
        _later,
        methods=["GET", "POST", "PATCH", "DELETE"],
        status_code=501,
        include_in_schema=False,
    )
