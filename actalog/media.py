"""Images, sound, video and files for `run`, under Agno's names."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

from actalog.errors import BadCall


@dataclass(frozen=True, kw_only=True)
class Media:
    """At an address, in a file of this machine, or bytes; one of these. A file is read when the run
    begins. `mime_type` is seen by the first bytes or by the name where it is not told."""

    kind: ClassVar[str]
    url: str | None = None
    filepath: str | Path | None = None
    content: bytes | None = field(default=None, repr=False)
    mime_type: str | None = None
    filename: str | None = None

    def as_task(self, where: str) -> dict[str, Any]:
        """As a task says it.

        Raises:
            BadCall: there is nothing, more than one, or no such file.
        """
        given = [one for one in (self.url, self.filepath, self.content) if one is not None]
        if len(given) != 1:
            raise BadCall(f"{where}: give one of url, filepath and content.")
        name = self.filename
        told: dict[str, Any] = {"type": self.kind, "mime_type": self.mime_type}
        if self.url is not None:
            told["url"] = self.url
        else:
            if self.filepath is not None:
                name = name or Path(self.filepath).name
            told["data"] = base64.b64encode(self._bytes(where)).decode()
        told["filename"] = name
        return {key: value for key, value in told.items() if value is not None}

    def _bytes(self, where: str) -> bytes:
        if self.filepath is not None:
            try:
                return Path(self.filepath).read_bytes()
            except OSError as error:
                raise BadCall(f"{where}: {error.strerror}: {self.filepath}") from error
        content: object = self.content
        if not isinstance(content, bytes | bytearray):
            raise BadCall(f"{where}: content must be bytes, not {type(content).__name__}.")
        return bytes(content)


class Image(Media):
    kind = "image"


class Audio(Media):
    kind = "audio"


class Video(Media):
    kind = "video"


class File(Media):
    kind = "file"


def as_task(given: Mapping[str, tuple[type[Media], object]]) -> list[dict[str, Any]]:
    """All that `run` was given, by the name it was given under.

    Raises:
        BadCall: something is of another kind, or is nowhere.
    """
    told: list[dict[str, Any]] = []
    for name, (kind, each) in given.items():
        if each is None:
            continue
        if not isinstance(each, Sequence) or isinstance(each, str | bytes):
            raise BadCall(f"{name}: give a list of actalog.media.{kind.__name__}.")
        for at, one in enumerate(cast(Sequence[object], each)):
            if not isinstance(one, kind):
                raise BadCall(
                    f"{name}[{at}]: give an actalog.media.{kind.__name__}, not {type(one).__name__}."
                )
            told.append(one.as_task(f"{name}[{at}]"))
    return told
