"""Routes that have their place and are not served by this version: they say so."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from actalog_gateway.problems import Problem, response

router = APIRouter(tags=["not in this version"])

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
}


async def _later(request: Request) -> JSONResponse:
    what = LATER[request.scope["route"].path]
    return response(Problem("not_supported", f"{what}: not supported by this version"))


for _path in LATER:
    router.add_api_route(
        _path, _later, methods=["GET", "POST", "DELETE"], status_code=501, include_in_schema=False
    )
