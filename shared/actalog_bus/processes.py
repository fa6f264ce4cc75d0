"""Child processes that die with their parent, and free ports."""

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PORTS = range(15_000, 32_000)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now. Not one of those that systems give to who
    asks for any, connections included: a server that is started again finds its port free."""
    for port in (*random.sample(PORTS, 50), 0):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return sock.getsockname()[1]
    raise OSError("there is no free port on 127.0.0.1")


def dies_with_parent(sign: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before exec: ask Linux for `sign` when the parent dies, so that a killed
    one leaves nothing behind. The death of the thread counts that started it."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(sign))
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), sign)

    return ask


def private(path: str, flags: int) -> int:
    """An opener of files that are for their user alone: what servers write says what was sent."""
    return os.open(path, flags, 0o600)


def spawn(
    arguments: Sequence[str], *, output: Path, env: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a process of its own group; its output goes to a file. Must be called from the main
    thread, with which it dies."""
    with open(output, "ab", opener=private) as log:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            preexec_fn=dies_with_parent(signal.SIGKILL),  # noqa: PLW1509
        )


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def end(process: "subprocess.Popen[bytes]", *, grace_s: float = 5.0) -> None:
    """Stop a process by its id: SIGTERM, and after the grace SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    for _ in range(int(grace_s / 0.02)):
        if process.poll() is not None:
            return
        await asyncio.sleep(0.02)
    process.kill()
    process.wait()


async def answers(bootstrap: str, process: "subprocess.Popen[bytes]", *, within_s: float) -> bool:
    """Whether a Kafka broker tells its metadata within that time; False too when it has ended."""
    from aiokafka.client import AIOKafkaClient
    from aiokafka.errors import KafkaError

    until = asyncio.get_running_loop().time() + within_s
    while process.poll() is None and asyncio.get_running_loop().time() < until:
        host, _, port = bootstrap.partition(":")
        with socket.socket() as probe:
            probe.setblocking(True)
            probe.settimeout(0.2)
            listening = probe.connect_ex((host, int(port))) == 0
        if listening:
            client = AIOKafkaClient(bootstrap_servers=bootstrap)
            try:
                async with asyncio.timeout(5):
                    await client.bootstrap()
                    return len(cast(set[object], client.cluster.brokers())) > 0
            except (KafkaError, TimeoutError):
                pass
            finally:
                await client.close()
        await asyncio.sleep(0.02)
    return False
