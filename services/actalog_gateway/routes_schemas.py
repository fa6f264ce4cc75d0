"""The published contracts: `ce_dataschema` of every message resolves here."""

import re
from importlib import resources

from fastapi import APIRouter, Response

from actalog_gateway.problems import Problem

router = APIRouter(tags=["contracts"])

NAME = re.compile(r"[a-z][a-z0-9_.]{0,100}")


@router.get("/asyncapi.json")
async def asyncapi() -> Response:
    """Topics and messages, as AsyncAPI 3."""
    return _published("asyncapi.json")


@router.get("/schemas/{type}.json")
async def schema(type: str) -> Response:
    """The JSON Schema of a message, e.g. `task.submit.v1`."""
    if not NAME.fullmatch(type):
        raise Problem("not_found", "there is no such schema", field="type")
    return _published("schemas", f"{type}.json")


def _published(*path: str) -> Response:
    file = resources.files("actalog_contracts").joinpath("published", *path)
    if not file.is_file():
        said = f"{path[-1]} is not among the published contracts of this build"
        raise Problem("not_found", said)
    return Response(file.read_bytes(), media_type="application/json")
