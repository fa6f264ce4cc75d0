"""HTML forms, urlencoded or multipart, read strictly: UTF-8, and errors that name the field."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import unquote_to_bytes

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from actalog_contracts.border import BadInput

TEXT_MOST = 1_048_576  # bytes of one field
FIELDS_MOST = 1_000
UTF8 = (b"utf-8", b"utf8", b"us-ascii")


@asynccontextmanager
async def form(request: Request) -> AsyncGenerator[FormData]:
    """The request's form, as long as it is entered: its files are on disk. A body of another kind,
    or none, is an empty one.

    Raises:
        BadInput: it is broken, or too large.
    """
    told = await _read(request)
    try:
        yield told
    finally:
        await told.close()


async def _read(request: Request) -> FormData:
    kind, options = parse_options_header(request.headers.get("content-type"))
    # Other codecs make of the same bytes another text, and some take minutes for it.
    if options.get(b"charset", b"utf-8").lower() not in UTF8:
        raise BadInput("forms are read as UTF-8", field="content-type")
    if kind == b"multipart/form-data":
        try:
            parts = _Parts(request.headers, request.stream(), max_part_size=TEXT_MOST)
            return await parts.whole()
        except MultiPartException as error:
            raise BadInput(error.message) from error
    if kind == b"application/x-www-form-urlencoded":
        return _urlencoded(await request.body())
    return FormData()


def _urlencoded(body: bytes) -> FormData:
    pairs = body.split(b"&", FIELDS_MOST)
    if len(pairs) > FIELDS_MOST:
        raise BadInput(f"at most {FIELDS_MOST} fields are taken")
    found: list[tuple[str, str | UploadFile]] = []
    for pair in pairs:
        name, _, value = (one.replace(b"+", b" ") for one in pair.partition(b"="))
        told = unquote_to_bytes(name).decode("utf-8", "replace")
        found.append((told, _text(told, unquote_to_bytes(value))))
    return FormData(found)


def _text(name: str, value: bytes | bytearray) -> str:
    if len(value) > TEXT_MOST:
        raise _too_large(name)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: not UTF-8 at byte {error.start}", field=name) from error


def _too_large(name: str) -> BadInput:
    said = f"{name}: at most {TEXT_MOST} bytes are taken"
    return BadInput(said, code="too_large", field=name)


class _Parts(MultiPartParser):
    """Starlette's takes what is no UTF-8 for Latin-1, and passes over what was cut off."""

    ended = False

    async def whole(self) -> FormData:
        """The form up to its end."""
        told = await self.parse()
        if not self.ended:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("The form ends before its last boundary.")
        return told

    def on_end(self) -> None:
        self.ended = True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None and len(part.data) + end - start > TEXT_MOST:
            raise _too_large(part.field_name)
        super().on_part_data(data, start, end)

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            _text(part.field_name, part.data)
        super().on_part_end()
