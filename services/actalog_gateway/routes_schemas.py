"""The published contracts: `ce_dataschema` of every message resolves here."""

from fastapi import APIRouter, Response

from actalog_contracts import published
from actalog_gateway import described
from actalog_gateway.problems import Problem

router = APIRouter(tags=["contracts"], responses=described.ERRORS)


@router.get("/asyncapi.json")
async def asyncapi() -> Response:
    """Topics and messages, as AsyncAPI 3."""
    return _json(published.asyncapi())


@router.get("/schemas/{type}.json")
async def schema(type: str) -> Response:
    """The JSON Schema of a message, e.g. `task.submit.v1`."""
    found = published.schema(type)
    if found is None:
        raise Problem("not_found", f"there is no schema of {type!r} in this build", field="type")
    return _json(found)


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
