"""The process between the service and its workers: forks them, kills them with all that came of
them, and outlives a service that is killed by as long as that takes.

Hears on its socket: `fork N` (with the worker's end of its channel), `kill N`.
Says:  `died N STATUS` once a worker and all its descendants are dead; STATUS is the exit code, or
       minus the signal.
"""

import contextlib
import ctypes
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from actalog_tools.isolated import worker

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LOOK_S = 0.5  # how often it looks whether its parent lives, should the socket not tell
CHANNEL = 3  # the file descriptor of a worker's channel
SWEEP_S = 5.0  # what is still there after it cannot be killed


def main(control_fd: int) -> None:
    """Until the service closes the socket or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    gc.collect()
    gc.freeze()  # pages that forked workers share stay shared
    guardian = Guardian(socket.socket(fileno=control_fd))
    guardian.run()
    os._exit(0)  # the socket closes with the process, and not before


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Guardian:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.parent = os.getppid()
        self.workers: dict[int, int] = {}  # process id -> the number that the service gave it
        self.text, self.channels = b"", list[int]()
        self.wakes, wakes_up = os.pipe()
        for end in (self.wakes, wakes_up):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakes_up)
        signal.signal(signal.SIGCHLD, _noted)

    def run(self) -> None:
        """Everything is done in this one loop: there are no threads, so forking is safe."""
        while os.getppid() == self.parent:
            ready, _, _ = select.select([self.control, self.wakes], [], [], LOOK_S)
            if self.wakes in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.wakes, 4096)
                self._reap()
            if self.control in ready and not self._hear():
                break
        self._end()

    def _end(self) -> None:
        """Kill everybody; nothing is left running when this returns."""
        until = time.monotonic() + SWEEP_S
        for pid in self.workers:
            _kill(pid)
        while self.workers and time.monotonic() < until:
            self._reap()
            time.sleep(0.001)

    def _hear(self) -> bool:
        """Do what is asked. False: the service is gone."""
        try:
            text, channels, _, _ = socket.recv_fds(self.control, 4096, 64)
        except OSError:
            return False
        self.channels += channels
        *lines, self.text = (self.text + text).split(b"\n")
        for line in lines:
            word, number = line.split()
            if word == b"fork":
                self._fork(int(number), self.channels.pop(0))
            else:
                for pid in [pid for pid, one in self.workers.items() if one == int(number)]:
                    _kill(pid)
        return bool(text)

    def _fork(self, number: int, channel: int) -> None:
        guardian = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # too many processes, too little memory: as if it had died
            os.close(channel)
            self._say(f"died {number} 1\n")
            return
        if pid == 0:
            _become_worker(channel, guardian)
        os.close(channel)
        self.workers[pid] = number

    def _reap(self) -> None:
        """Tell of the dead, after all that they left is dead, too."""
        dead: list[tuple[int, int]] = []
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid in self.workers:
                    dead.append((self.workers.pop(pid), os.waitstatus_to_exitcode(status)))
        if dead:
            self._sweep()
        for number, status in dead:
            self._say(f"died {number} {status}\n")

    def _sweep(self) -> None:
        """Kill what dead workers left. It has become our child, because we are a subreaper, and
        so does what it leaves in turn; what a living worker left is the worker's child."""
        until = time.monotonic() + SWEEP_S
        while time.monotonic() < until:
            left = [pid for pid in _children() if pid not in self.workers]
            if not left:
                return
            for pid in left:
                _kill(pid)
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.001)

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self.control.sendall(line.encode())


def _noted(number: int, frame: object) -> None:
    """The pipe is what wakes the loop."""


def _kill(pid: int) -> None:
    """Its process group, if it leads one, and itself."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    """Our children, zombies among them. The kernel tells of a child only in the child's own file
    (`/proc/PID/task/TID/children` is not built into every kernel)."""
    found: list[int] = []
    for one in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may have blanks and parentheses of its own.
            state_and_parent = one.read_text(errors="replace").rpartition(")")[2].split()
            if int(state_and_parent[1]) == os.getpid():
                found.append(int(one.parent.name))
    return found


def _become_worker(channel: int, guardian: int) -> NoReturn:
    """In the forked process: on its own in every respect, then at work until the channel ends."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        if os.getppid() != guardian:  # it died before it could tell
            os._exit(1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(channel, CHANNEL, inheritable=False)
        os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # the kernel, out of memory, takes it first
            Path("/proc/self/oom_score_adj").write_text("1000")
        worker.serve(socket.socket(fileno=CHANNEL))
    except BaseException:  # noqa: BLE001 - it must never go on as a second guardian
        os._exit(1)
    os._exit(0)
