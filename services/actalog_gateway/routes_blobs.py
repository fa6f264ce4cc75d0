"""Blobs: bytes under a keyed digest of what they are."""

import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from actalog_core.canonical import keyed_digest
from actalog_core.places import located
from actalog_gateway import described
from actalog_gateway.gateway import Gate, Gateway, PathId, Tenant
from actalog_gateway.problems import Problem

router = APIRouter(prefix="/v1/blobs", tags=["blobs"], responses=described.ERRORS)

MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)


@router.post("", status_code=201, openapi_extra=described.BYTES)
async def put(request: Request, gate: Gate, tenant: Tenant = "default") -> JSONResponse:
    """Keep the body; the same bytes have the same id in a tenant."""
    data = await request.body()
    if not data:
        raise Problem("bad_input", "the body is empty")
    media_type = media_type_of(request.headers.get("content-type"))
    blob_id = await keep(gate, tenant, data, media_type)
    url = located("v1", "blobs", blob_id, tenant_id=tenant)
    told = {"id": blob_id, "media_type": media_type, "bytes": len(data), "url": url}
    return JSONResponse(told, 201, headers={"Location": url})


def media_type_of(said: str | None) -> str:
    """Of a Content-Type, which may hold anything: whoever gets the blob is told it again."""
    told = (said or "").partition(";")[0].strip()
    return told if MEDIA_TYPE.fullmatch(told) else "application/octet-stream"


async def keep(gate: Gateway, tenant: str, data: bytes, media_type: str) -> str:
    """The blob's id: a keyed digest, since it leaves the tenant (protocol 1.3)."""
    key = await gate.reader.key()
    blob_id = keyed_digest(key, tenant.encode() + b"\x00" + data)
    await gate.log.put_blob(tenant, blob_id, media_type, data)
    return blob_id


@router.get("/{blob_id}", response_class=Response, responses=described.RAW)
async def get(blob_id: PathId, gate: Gate, tenant: Tenant = "default") -> Response:
    """The bytes, never shown in the page: they may be somebody's HTML."""
    found = await gate.log.get_blob(tenant, blob_id)
    if found is None:
        raise Problem("not_found", "there is no such blob", field="id")
    media_type, data = found
    shown = {
        "Content-Disposition": "attachment", "Cache-Control": "private, immutable",
        "Content-Type": media_type,  # as it is: of text nobody knows in which letters it is
    }  # fmt: skip
    return Response(data, headers=shown)
