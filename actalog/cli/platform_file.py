"""`$ACTALOG_HOME/platform.json`: where a platform started by `actalog up` can be reached."""

import json
import os
from pathlib import Path

from pydantic import BaseModel, ValidationError

from actalog.embedded.home import made
from actalog_bus.processes import alive


class PlatformFile(BaseModel):
    """What other commands read. `http` is the gateway's base URL; `started_at` RFC 3339 UTC."""

    pid: int
    kafka: str
    database_url: str
    http: str
    started_at: str


def path_of(home: str) -> Path:
    """Where the file is."""
    return Path(home) / "platform.json"


def read(home: str) -> PlatformFile | None:
    """The platform that runs now; a file that a killed one left is none."""
    try:
        found = PlatformFile.model_validate_json(path_of(home).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if alive(found.pid) else None


def write(home: str, told: PlatformFile) -> None:
    """Whole or not at all: readers never see half a file."""
    path = path_of(home)
    made(path.parent)
    new = path.with_suffix(f".{os.getpid()}")
    new.unlink(missing_ok=True)
    # Nobody else's from the first byte on: the database's address has a password.
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(told.model_dump(), indent=2) + "\n")
    new.replace(path)


def remove(home: str) -> None:
    """Only our own: another platform may have been started since."""
    found = read(home)
    if found is None or found.pid == os.getpid():
        path_of(home).unlink(missing_ok=True)
