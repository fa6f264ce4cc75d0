"""The embedded PostgreSQL's password: it is all that keeps the machine's other users out, and who
is let in as its superuser may run programs as whoever runs it."""

import os
import secrets
import subprocess
from pathlib import Path

# With 256 random bits there is nothing to guess: the thousands of rounds that passwords of people
# need would only cost time at each connection.
GIVE = "set scram_iterations = 1;\nalter role actalog password '{password}';\n"
RULES = "host all all 127.0.0.1/32 scram-sha-256\n"


def _file(data: Path) -> Path:
    return data / "actalog.password"


def there(data: Path) -> bool:
    """Whether this data directory has one."""
    return _file(data).exists()


def of(data: Path) -> str:
    """The password."""
    return _file(data).read_text()


def give(data: Path, *, program: Path, user: str | None) -> str | None:
    """Give a data directory whose server does not run a new one. What went wrong, or None."""
    password = secrets.token_urlsafe(32)
    done = subprocess.run(
        [program, "--single", "-D", data, "postgres"], user=user, check=False,
        input=GIVE.format(password=password).encode(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said = done.stdout.decode(errors="replace")
    if done.returncode != 0 or "ERROR:" in said:
        return said
    (data / "pg_hba.conf").write_text(RULES)
    new = _file(data).with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    new.replace(_file(data))  # last: who was interrupted before is given another one
    return None
