"""`logins.py FOLDER ADDRESS`: passwords of the composition's PostgreSQL, and addresses with them, in files.

FOLDER/owner is for PostgreSQL itself and for `actalog migrate`, FOLDER/services for everybody else.
Where POSTGRES_PASSWORD or POSTGRES_SERVICES_PASSWORD does not say one it is made up, once: it is kept
as long as the database is, in a volume that goes with it.
"""

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import quote


def write(path: Path, text: str) -> None:
    """Whole or not at all. For all who see the folder: containers have users of their own."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.write_text(text)
    new.chmod(0o444)
    new.replace(path)


def tell(folder: Path, login: str, address: str, given: str | None) -> None:
    """One login's files."""
    folder.mkdir(exist_ok=True)
    kept = folder / "password"
    password = given or (kept.read_text() if kept.exists() else "") or secrets.token_urlsafe(32)
    write(kept, password)
    write(folder / "database_url", f"postgresql://{login}:{quote(password, safe='')}@{address}")


if __name__ == "__main__":
    root, server = Path(sys.argv[1]), sys.argv[2]
    tell(root / "owner", "actalog", server, os.environ.get("POSTGRES_PASSWORD"))
    tell(root / "services", "services", server, os.environ.get("POSTGRES_SERVICES_PASSWORD"))
